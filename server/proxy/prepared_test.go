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

// A portal is made of all that its statement may be, and both go on to change.
func TestWhatAPortalMayBeIsItsOwn(t *testing.T) {
	var statements, portals names
	texts := map[string]*prepared{}
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		texts[text] = &prepared{text: text}
	}
	for _, text := range []string{"a", "b", "c"} {
		statements.set("s", texts[text])
	}
	statements.settle(false)
	for _, portal := range []string{"", "p"} {
		portals.set(portal, statements.may([]byte("s"))...)
		portals.settle(true)
		portals.set(portal, texts["d"])
		statements.set("s", texts["e"])
		portals.settle(false)
		var may string
		for _, p := range portals.may([]byte(portal)) {
			may += p.text
		}
		if !strings.HasSuffix(may, "d") {
			t.Fatalf("portal %q may be any of %q, and d is none of them", portal, may)
		}
	}
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
