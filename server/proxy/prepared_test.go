package proxy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

// PostgreSQL goes by the start of a name. A client may send a megabyte.
func TestLongNamesAreNotKept(t *testing.T) {
	var n names
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 100 {
		name := fmt.Sprintf("%04d", i) + strings.Repeat("x", 1<<20)
		n.set(name, &prepared{text: "select 1"})
		n.drop(name)
		n.set(name, &prepared{text: "select 2"})
	}
	if after := heap(); after > before+(10<<20) {
		t.Fatalf("%d names take %d bytes", len(n.byName), after-before)
	}
	runtime.KeepAlive(&n)
}

// Portals cost the upstream of one database, and the proxy of all.
func TestPortalsOfATransactionAreBounded(t *testing.T) {
	d := deploy(t)
	conn, _ := d.under(func(*store.PolicyRules) {})
	bind := func(portal string) []byte {
		return wire.AppendBody(nil, wire.Bind, []byte(portal+"\x00s\x00\x00\x00\x00\x00\x00\x00"))
	}
	b := appendParse(nil, "s", "select 1", []byte{0, 0})
	for i := range maxPortals {
		b = append(b, bind(fmt.Sprintf("p%d", i))...)
	}
	b = append(b, bind("p0")...) // is there, as PostgreSQL says
	got := exchange(t, conn, append(b, synced...))
	if want := "1" + strings.Repeat("2", maxPortals) + "EZ"; got != want {
		t.Fatalf("got %d answers that end in %s", len(got), got[len(got)-3:])
	}
	b = nil
	for i := range maxPortals + 1 {
		b = append(b, bind(fmt.Sprintf("p%d", i))...)
	}
	raw := hijack(t, conn)
	send(t, raw, append(b, synced...))
	for range maxPortals {
		if typ, _, err := wire.ReadFrame(raw, nil, 1<<20); err != nil || typ != wire.BindComplete {
			t.Fatalf("got %q, %v", typ, err)
		}
	}
	typ, body, err := wire.ReadFrame(raw, nil, 1<<20)
	if why := wire.ParseReport(body); err != nil || typ != wire.ErrorResponse || why.Code != "54000" || why.Message != "too many portals for one transaction under a policy" {
		t.Fatalf("got %q, %v, %v", typ, why, err)
	}
}
