package harness

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Gate stands between the provider and the API: it counts requests and lets a
// test do something at one of them.
type Gate struct {
	URL string
	// Before runs when the n-th request has come, before it is passed on;
	// After when it was answered, before the answer is passed back. Returning
	// false drops the connection. Both may be nil.
	Before, After func(n int, r *http.Request) bool

	mu   sync.Mutex
	seen []string
}

// NewGate opens a gate to an API.
func NewGate(t testing.TB, api string) *Gate {
	t.Helper()
	target, err := url.Parse(api)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as if there were no gate
		Transport:    &http.Transport{MaxIdleConnsPerHost: 64},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.seen = append(g.seen, r.Method+" "+r.URL.Path)
		n, before, after := len(g.seen), g.Before, g.After
		g.mu.Unlock()
		if before != nil && !before(n, r) {
			panic(http.ErrAbortHandler)
		}
		if after == nil {
			proxy.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		proxy.ServeHTTP(kept, r)
		if !after(n, r) {
			panic(http.ErrAbortHandler)
		}
		for k, v := range kept.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(kept.Code)
		_, _ = w.Write(kept.Body.Bytes())
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	g.URL = server.URL
	return g
}

// On sets what happens at requests from now on, counted from one again.
func (g *Gate) On(before, after func(n int, r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.Before, g.After, g.seen = before, after, nil
}

// Requests are those since the last On, as "METHOD /path".
func (g *Gate) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.seen...)
}
