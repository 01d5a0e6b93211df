package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
)

// script is what one client sends, and when it waits for what.
type script struct {
	name  string
	steps []step
	// ends says that the server closes the session; otherwise it must answer
	// one more statement, which also shows that no frame was left over.
	ends bool
	// foreign says that the proxy may refuse in PostgreSQL's place, in the same
	// words, but not from the same line of the same source file.
	foreign bool
}

// permitted reports whether nothing of a script is refused to every issued
// credential, whatever its policy: that is answered by the proxy.
func (s script) permitted() bool {
	for _, step := range s.steps {
		for b := step.send; len(b) > 0; {
			if len(b) < 5 || len(b) <= int(binary.BigEndian.Uint32(b[1:])) {
				return true // broken frames are so for everybody
			}
			end := 1 + binary.BigEndian.Uint32(b[1:])
			kind, text := b[0], b[5:end]
			b = b[end:]
			switch kind {
			case 'F': // function call
				return false
			case 'P':
				_, text, _ = bytes.Cut(text, []byte{0})
			case 'Q':
			default:
				continue
			}
			text, _, _ = bytes.Cut(text, []byte{0})
			if !permitted(string(text), kind == 'P') {
				return false
			}
		}
	}
	return true
}

// permitted reports whether a policy without any rule lets a text through. In
// the extended protocol it leaves PREPARE and EXECUTE to the protocol's own.
func permitted(sql string, extended bool) bool {
	engine, err := policy.Compile(policy.Profile{}, nil)
	if err != nil {
		panic(err)
	}
	d := engine.Evaluate(sql)
	if extended && slices.ContainsFunc(d.Statements, func(s policy.Statement) bool { return s.Name != "" }) {
		return false
	}
	return d.Verdict != policy.Block || d.Rule == "empty"
}

// step sends bytes and reads frames until it has seen enough of them.
type step struct {
	send   []byte
	enough func([]frame) bool
}

// ready waits for n ReadyForQuery frames.
func ready(n int, messages ...pgproto3.FrontendMessage) step {
	return step{encode(messages...), func(got []frame) bool { return count(got, 'Z') >= n }}
}

// until waits for the n-th frame of a kind.
func until(kind byte, n int, messages ...pgproto3.FrontendMessage) step {
	return step{encode(messages...), func(got []frame) bool { return count(got, kind) >= n }}
}

// hangup reads until the server closes the session.
func hangup(messages ...pgproto3.FrontendMessage) step {
	return step{encode(messages...), func([]frame) bool { return false }}
}

// send waits for nothing.
func send(messages ...pgproto3.FrontendMessage) step {
	return step{encode(messages...), func([]frame) bool { return true }}
}

func count(frames []frame, kind byte) int {
	n := 0
	for _, f := range frames {
		if f.kind == kind {
			n++
		}
	}
	return n
}

// simple is a script of simple queries, each sent when the one before is done.
func simple(name string, queries ...string) script {
	s := script{name: name}
	for _, q := range queries {
		s.steps = append(s.steps, ready(1, &pgproto3.Query{String: q}))
	}
	return s
}

// pipelined is a script of one write that holds everything, with n
// ReadyForQuery to come.
func pipelined(name string, n int, messages ...pgproto3.FrontendMessage) script {
	return script{name: name, steps: []step{ready(n, messages...)}}
}

// pieces says how the bytes of a step are cut into writes.
type pieces func(step int, bytes []byte) [][]byte

func whole(_ int, b []byte) [][]byte { return [][]byte{b} }

// dribble cuts in places that fall inside headers, names and lengths.
func dribble(_ int, b []byte) [][]byte {
	var out [][]byte
	for i := 0; len(b) > 0; i++ {
		n := min(1+i%7, len(b))
		if i > 200 {
			n = len(b) // enough small pieces for one script
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// open starts a session at a target and takes it down to its bytes. The
// parameter status reports of its startup come with it.
func open(ctx context.Context, t target) (*wireConn, map[string]string, error) {
	config, err := pgx.ParseConfig(t.url)
	if err != nil {
		return nil, nil, err
	}
	// The driver reads in the background once a write of its login was slow:
	// what it has got then comes from its reader alone.
	var in io.Reader
	config.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		in = r
		return pgproto3.NewFrontend(r, w)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	raw, err := conn.PgConn().Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &wireConn{Conn: raw.Conn, in: bufio.NewReaderSize(in, 64<<10)}, raw.ParameterStatuses, nil
}

// play runs a script at a target and returns every frame that came, by step.
func play(ctx context.Context, t target, s script, cut pieces) ([][]frame, error) {
	conn, _, err := open(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("open session: %w", err)
	}
	defer conn.Close()
	steps := s.steps
	if !s.ends {
		steps = append(steps[:len(steps):len(steps)], ready(1, &pgproto3.Query{String: "select 'end of script'"}))
	}
	var all [][]frame
	for i, st := range steps {
		written := make(chan error, 1)
		go func() {
			for _, piece := range cut(i, st.send) {
				if _, err := conn.Write(piece); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		var got []frame
		for !st.enough(got) {
			f, err := conn.read()
			if errors.Is(err, errClosed) {
				got = append(got, frame{kind: '!', body: []byte(err.Error())})
				break
			}
			if err != nil {
				return append(all, got), fmt.Errorf("step %d: %w; the %d frames before it end with:\n%s", i+1, err, len(got), tail(got))
			}
			f = mask(f, fixedTables)
			if s.foreign && f.kind == 'E' {
				f.body = withoutSource(f.body)
			}
			got = append(got, f)
		}
		all = append(all, got)
		if closed := len(got) > 0 && got[len(got)-1].kind == '!'; closed {
			break
		} else if err := <-written; err != nil {
			return all, fmt.Errorf("step %d: write: %w", i+1, err)
		}
	}
	return all, nil
}

func tail(frames []frame) string {
	var b strings.Builder
	for _, f := range frames[max(0, len(frames)-8):] {
		fmt.Fprintf(&b, "  %s\n", f)
	}
	return b.String()
}

// difference describes the first frame in which two plays of a script
// disagree, or is empty.
func difference(want, got [][]frame) string {
	for i := range max(len(want), len(got)) {
		var w, g []frame
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			g = got[i]
		}
		for j := range max(len(w), len(g)) {
			switch {
			case j >= len(g):
				return fmt.Sprintf("step %d: frame %d is missing:\n  want %s\nafter\n%s", i+1, j+1, w[j], tail(g))
			case j >= len(w):
				return fmt.Sprintf("step %d: frame %d is too many:\n  got  %s\nafter\n%s", i+1, j+1, g[j], tail(w))
			case w[j].kind != g[j].kind || !bytes.Equal(w[j].body, g[j].body):
				return fmt.Sprintf("step %d: frame %d differs:\n  want %s\n  got  %s\nafter\n%s", i+1, j+1, w[j], g[j], tail(w[:j]))
			}
		}
	}
	return ""
}

// departure is the difference of a play at a target. A credential's session has
// a search path of its own, which PostgreSQL reports since version 18.
func departure(at target, want, got [][]frame) string {
	if at.name == issued.name {
		want, got = withoutSearchPath(want), withoutSearchPath(got)
	}
	return difference(want, got)
}

func withoutSearchPath(steps [][]frame) (out [][]frame) {
	for _, frames := range steps {
		out = append(out, slices.DeleteFunc(slices.Clone(frames), func(f frame) bool {
			return f.kind == 'S' && bytes.HasPrefix(f.body, []byte("search_path\x00"))
		}))
	}
	return out
}

// compare plays a script directly and at a target and fails on any difference.
func compare(t *testing.T, at target, s script, cut pieces) {
	t.Helper()
	reset(t)
	want, err := play(t.Context(), direct, s, cut)
	if err != nil {
		t.Fatalf("PostgreSQL itself: %v", err)
	}
	reset(t)
	got, err := play(t.Context(), at, s, cut)
	if err != nil {
		if d := departure(at, want, got); d != "" {
			t.Errorf("before it stopped: %s", d)
		}
		t.Fatalf("%s: %v", at.name, err)
	}
	if d := departure(at, want, got); d != "" {
		t.Fatalf("%s departs from PostgreSQL in %s", at.name, d)
	}
}
