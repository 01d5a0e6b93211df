package domain

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// samePort listens on one port of loopback with UDP and TCP, as DNS needs.
func samePort(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 { // a port that is free for one may be taken for the other
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return packets, listener
		}
		listener.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// nameServer is a DNS server on loopback that answers from a zone.
func nameServer(t *testing.T, handler dns.HandlerFunc) string {
	t.Helper()
	packets, listener := samePort(t)
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: handler}, {Listener: listener, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = server.Shutdown() })
	}
	return packets.LocalAddr().String()
}

// zone answers from records in zone-file form.
func zone(t *testing.T, records ...string) dns.HandlerFunc {
	t.Helper()
	var parsed []dns.RR
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, rr)
	}
	return func(w dns.ResponseWriter, question *dns.Msg) {
		reply := new(dns.Msg).SetReply(question)
		q := question.Question[0]
		for _, rr := range parsed {
			if strings.EqualFold(rr.Header().Name, q.Name) && rr.Header().Rrtype == q.Qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if len(reply.Answer) == 0 {
			reply.Rcode = dns.RcodeNameError
		}
		if q.Qtype == dns.TypeTXT && w.LocalAddr().Network() == "udp" {
			reply.Truncate(512)
		}
		_ = w.WriteMsg(reply)
	}
}

var testRecords = Endpoint{ProxyDomain: "proxy.example.com"}.Records("db.customer.example", "t0ken", "abc")

func TestVerification(t *testing.T) {
	for name, c := range map[string]struct {
		records []string
		problem string // part of what the owner reads; "" when verified
	}{
		"TXT alone": {[]string{`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken"`}, ""},
		"TXT and CNAME": {[]string{
			`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken"`,
			`db.customer.example. 60 IN CNAME ABC.proxy.example.com.`}, ""},
		"TXT among others": {[]string{
			`_pgbeam-verify.db.customer.example. 60 IN TXT "v=spf1 -all"`,
			`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken"`}, ""},
		"TXT in several strings": {[]string{`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-" "verify=t0ken"`}, ""},
		"nothing":                {nil, "there is no TXT record at _pgbeam-verify.db.customer.example"},
		"another token":          {[]string{`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=other"`}, "does not carry pgbeam-verify=t0ken"},
		"token as a part":        {[]string{`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken2"`}, "does not carry"},
		"CNAME elsewhere": {[]string{
			`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken"`,
			`db.customer.example. 60 IN CNAME xyz.proxy.example.com.`}, "leads to xyz.proxy.example.com; it must lead to abc.proxy.example.com"},
		"CNAME without TXT": {[]string{`db.customer.example. 60 IN CNAME abc.proxy.example.com.`}, "there is no TXT record"},
	} {
		t.Run(name, func(t *testing.T) {
			v := Verifier{Resolver: nameServer(t, zone(t, c.records...))}
			err := v.Verify(context.Background(), testRecords)
			var record *RecordError
			switch {
			case c.problem == "" && err != nil:
				t.Errorf("not verified: %v", err)
			case c.problem != "" && (!errors.As(err, &record) || !strings.Contains(record.Detail, c.problem)):
				t.Errorf("got %v, want %q", err, c.problem)
			}
		})
	}
}

func TestLongAnswerIsReadOverTCP(t *testing.T) {
	records := []string{`_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=t0ken"`}
	for range 10 {
		records = append([]string{`_pgbeam-verify.db.customer.example. 60 IN TXT "` + strings.Repeat("x", 200) + `"`}, records...)
	}
	v := Verifier{Resolver: nameServer(t, zone(t, records...))}
	if err := v.Verify(context.Background(), testRecords); err != nil {
		t.Error(err)
	}
}

func TestBrokenNameServerIsNotAProofOfAnything(t *testing.T) {
	var asked atomic.Int32
	v := Verifier{Resolver: nameServer(t, func(w dns.ResponseWriter, question *dns.Msg) {
		asked.Add(1)
		reply := new(dns.Msg).SetRcode(question, dns.RcodeServerFailure)
		_ = w.WriteMsg(reply)
	})}
	err := v.Verify(context.Background(), testRecords)
	var record *RecordError
	if !errors.As(err, &record) || !strings.Contains(record.Detail, "SERVFAIL") {
		t.Errorf("got %v", err)
	}
	if asked.Load() == 0 {
		t.Error("the server was not asked")
	}
}

func TestSilentNameServerIsGivenUp(t *testing.T) {
	v := Verifier{Resolver: nameServer(t, func(dns.ResponseWriter, *dns.Msg) {}), Timeout: 50 * time.Millisecond}
	var record *RecordError
	if err := v.Verify(context.Background(), testRecords); !errors.As(err, &record) || !strings.Contains(record.Detail, "did not answer") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := v.Verify(ctx, testRecords); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}
