package proxy

import (
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// TestLedger plays exchanges: "+" marks what the client sends, "-" what the
// upstream sends, then the state that must follow.
func TestLedger(t *testing.T) {
	tests := []struct {
		name   string
		events string // pairs of direction and frame type; Z is followed by its status
		empty  bool
		idle   bool
	}{
		{"nothing", "", true, true},
		{"a query runs", "+Q", false, false},
		{"a query is answered", "+Q-T-D-C-ZI", true, true},
		{"in a transaction", "+Q-C-ZT", true, false},
		{"failed transaction", "+Q-E-ZE", true, false},
		{"two queries, one answer", "+Q+Q-C-ZI", false, true},
		{"extended", "+P+B+D+E+S-1-2-T-D-C-ZI", true, true},
		{"flush without sync", "+P+H-1", false, true},
		{"pipeline of three syncs", "+P+S+B+E+S+P+S-1-ZI-2-C-ZI", false, true},
		{"pipeline answered", "+P+S+B+E+S+P+S-1-ZI-2-C-ZI-1-ZI", true, true},
		{"error skips to sync", "+P+B+E+Q+S-E-ZI", true, true},
		{"error skips to a sync that comes later", "+P-E+B+E+Q+S-ZI", true, true},
		{"error in the first of two batches", "+P+S+P+S-E-ZI", false, true},
		{"error of a simple query skips nothing", "+Q+Q-E-ZI", false, true},
		{"error of a simple query behind a batch that was answered", "+P+Q+Q-1-E-ZI", false, true},
		{"error of a simple query behind a batch, and all is answered", "+P+D+Q+Q-1-t-n-E-ZI-C-ZI", true, true},
		{"error in a batch before a simple query", "+P+B+Q+S-1-E-ZI", true, true},
		{"error of a simple query behind a portal that ran", "+B+E+H+Q+Q-2-D-s-E-ZI", false, true},
		{"batch that was answered and has no sync yet", "+P+B+E+H-1-2-C", false, true},
		{"error at the sync itself", "+B+E+S+Q-2-C-E-ZI", false, true},
		{"copy in by query", "+Q-G+d+d+c-C-ZI", true, true},
		{"copy in failed by the client", "+Q-G+d+f-E-ZI", true, true},
		{"copy in failed by the server, data goes on", "+Q-G+d-E-ZI+d+c", true, true},
		{"copy in by execute, sync after", "+P+B+E-G+d+c+S-C-ZI", true, true},
		{"copy in by execute, sync before is ignored", "+P+B+E+S-1-2-G+d+c+S-C-ZI", true, true},
		{"copy in, syncs during it are ignored", "+Q-G+S+S+H+d+c-C-ZI", true, true},
		{"copy in, ignored syncs before the next batch", "+P+B+E+S+S-G+d+c+S+P+S-C-ZI-1-ZI", true, true},
		{"copy out", "+Q-H-d-d-c-C-ZI", true, true},
		{"function call", "+F-V-ZI", true, true},
		{"notifications between", "-A-S-N", true, true},
		{"error out of the blue", "-E", true, true},
		{"ready out of the blue", "-ZI", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLedger()
			for i := 0; i+1 < len(tt.events); i += 2 {
				typ, status := tt.events[i+1], byte(0)
				if tt.events[i] == '+' {
					l.sent(typ)
					continue
				}
				if typ == 'Z' {
					i++
					status = tt.events[i+1]
				}
				l.received(typ, status)
			}
			if l.empty() != tt.empty {
				t.Errorf("empty is %v, want %v: %q from %d", l.empty(), tt.empty, l.queue, l.head)
			}
			if idle := l.idle(); idle != (tt.idle && tt.empty) {
				t.Errorf("idle is %v", idle)
			}
		})
	}
}

func TestLedgerOfALongPipelineStaysSmall(t *testing.T) {
	l := newLedger()
	for range 10 {
		l.sent('Q')
	}
	for range 100000 {
		l.sent('Q')
		l.received('Z', 'I')
	}
	if cap(l.queue) > 1024 {
		t.Fatalf("10 outstanding queries take %d bytes", cap(l.queue))
	}
}

func TestRepliesOfALongPipelineStaySmall(t *testing.T) {
	l := newLedger()
	var r replies
	send := func() { r.sent(&l, reply{kind: wire.Close}) }
	for range 10 {
		send()
	}
	for range 100000 {
		send()
		r.received(wire.CloseComplete)
	}
	if waiting := len(r.queue) - r.head; waiting != 10 || cap(r.queue) > 1024 {
		t.Fatalf("%d replies are waited for, in room for %d", waiting, cap(r.queue))
	}
}
