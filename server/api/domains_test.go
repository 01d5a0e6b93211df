package api

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// nameServer is a DNS server on loopback whose records tests change.
type nameServer struct {
	address string
	mu      sync.Mutex
	records []dns.RR
	asked   func() // called for each question
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nameServer{address: conn.LocalAddr().String()}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: n, NotifyStartedFunc: func() { close(started) }}
	go func() { _ = server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() { _ = server.Shutdown() })
	return n
}

func (n *nameServer) set(t *testing.T, records ...string) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = nil
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		n.records = append(n.records, rr)
	}
}

func (n *nameServer) whenAsked(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked = f
}

func (n *nameServer) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.asked != nil {
		n.asked()
	}
	reply := new(dns.Msg).SetReply(question)
	for _, rr := range n.records {
		if rr.Header().Name == question.Question[0].Name && rr.Header().Rrtype == question.Question[0].Qtype {
			reply.Answer = append(reply.Answer, rr)
		}
	}
	_ = w.WriteMsg(reply)
}

func TestCustomDomainIsVerifiedByItsRecords(t *testing.T) {
	ns := startNameServer(t)
	s := serve(t, func(c *Config) { c.Resolver = ns.address })
	project, _ := s.newProject("shop")
	host := s.send("GET", "/v1/projects/"+project, nil).text("proxy_host")
	path := "/v1/projects/" + project + "/domains"
	d := s.send("POST", path, object{"domain": "DB.Customer.Example"}).want(201, "")
	token := d.text("dns_verification_token")
	for field, want := range map[string]any{
		"domain": "db.customer.example", "verified": false, "verified_at": nil, "tls_cert_expiry": nil,
		"dns_instructions.cname_host": "db.customer.example", "dns_instructions.cname_target": host,
		"dns_instructions.txt_host": "_pgbeam-verify.db.customer.example", "dns_instructions.txt_value": "pgbeam-verify=" + token,
		"dns_instructions.acme_cname_host":   "_acme-challenge.db.customer.example",
		"dns_instructions.acme_cname_target": "_acme-challenge." + host,
	} {
		if got := d.field(field); got != want {
			t.Errorf("%s is %v, want %v", field, got, want)
		}
	}
	verify := path + "/" + d.text("id") + "/verify"
	txt := `_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=` + token + `"`

	r := s.send("POST", verify, nil).want(200, "")
	if r.field("verified") != false || !strings.Contains(r.text("error"), "no TXT record") || r.field("domain.verified") != false {
		t.Errorf("without records: %s", r.raw)
	}
	ns.set(t, txt, `db.customer.example. 60 IN CNAME elsewhere.example.`)
	if r := s.send("POST", verify, nil).want(200, ""); r.field("verified") != false || !strings.Contains(r.text("error"), "elsewhere.example") {
		t.Errorf("with a CNAME that leads elsewhere: %s", r.raw)
	}
	ns.set(t, txt, `db.customer.example. 60 IN CNAME `+host+`.`)
	r = s.send("POST", verify, nil).want(200, "")
	if r.field("verified") != true || r.field("domain.verified") != true || r.field("domain.verified_at") == nil {
		t.Errorf("with its records: %s", r.raw)
	}
	if _, has := r.body["error"]; has {
		t.Errorf("a success has an error: %s", r.raw)
	}

	// A lapse of the DNS is reported and cuts nobody off.
	ns.set(t)
	s.advance(time.Hour)
	r = s.send("POST", verify, nil).want(200, "")
	if r.field("verified") != false || r.field("domain.verified") != true {
		t.Errorf("after the records went: %s", r.raw)
	}
	list := s.send("GET", path, nil).want(200, "").field("domains").([]any)
	if len(list) != 1 || list[0].(object)["verified"] != true {
		t.Errorf("list: %v", list)
	}
}

// A slow name server must not keep others from writing.
func TestVerificationHoldsNoTransaction(t *testing.T) {
	ns := startNameServer(t)
	s := serve(t, func(c *Config) { c.Resolver = ns.address })
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/domains"
	id := s.send("POST", path, object{"domain": "db.customer.example"}).want(201, "").text("id")
	wrote := make(chan int, 1)
	ns.whenAsked(sync.OnceFunc(func() {
		wrote <- s.send("PATCH", "/v1/projects/"+project, object{"description": "meanwhile"}).status
	}))
	s.send("POST", path+"/"+id+"/verify", nil).want(200, "")
	select {
	case status := <-wrote:
		if status != 200 {
			t.Errorf("the other request got %d", status)
		}
	default:
		t.Error("the name server was not asked")
	}
}

func TestDomainVerifiedElsewhereIsNotVerifiedAgain(t *testing.T) {
	ns := startNameServer(t)
	s := serve(t, func(c *Config) { c.Resolver = ns.address })
	one, _ := s.newProject("one")
	two, _ := s.newProject("two")
	var verify []string
	var records []string
	for _, project := range []string{one, two} {
		d := s.send("POST", "/v1/projects/"+project+"/domains", object{"domain": "db.customer.example"}).want(201, "")
		verify = append(verify, "/v1/projects/"+project+"/domains/"+d.text("id"))
		records = append(records, `_pgbeam-verify.db.customer.example. 60 IN TXT "pgbeam-verify=`+d.text("dns_verification_token")+`"`)
	}
	ns.set(t, records...)
	if r := s.send("POST", verify[0]+"/verify", nil).want(200, ""); r.field("verified") != true {
		t.Fatalf("first: %s", r.raw)
	}
	if r := s.send("POST", verify[1]+"/verify", nil).want(200, ""); r.field("verified") != false || !strings.Contains(r.text("error"), "another project") {
		t.Errorf("second: %s", r.raw)
	}
	s.send("DELETE", verify[0], nil).want(204, "")
	if r := s.send("POST", verify[1]+"/verify", nil).want(200, ""); r.field("verified") != true {
		t.Errorf("second, after the first went: %s", r.raw)
	}
}

func TestDomainsThatAreRefused(t *testing.T) {
	s := serve(t)
	project, _ := s.newProject("shop")
	path := "/v1/projects/" + project + "/domains"
	for _, name := range []string{"", "localhost", "a b.example", "-a.example", "example.com.", "*.example.com", "1.2.3.4", "0x7f.0x1",
		strings.Repeat("a", 64) + ".example", "x.proxy.example.com", "proxy.example.com", strings.Repeat("a.", 126) + "com"} {
		if r := s.send("POST", path, object{"domain": name}).want(400, "INVALID_INPUT"); r.fields()["domain"] == "" {
			t.Errorf("%q: the field is not named: %s", name, r.raw)
		}
	}
	s.send("POST", path, object{"domain": "db.customer.example"}).want(201, "")
	s.send("POST", path, object{"domain": "DB.customer.example"}).want(409, "CONFLICT")
}
