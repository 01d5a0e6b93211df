package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/policy"
	"github.com/pgbeam/pulumi-pgbeam/server/proxy"
)

// service is what one process runs: the API, the proxy, or both. Its listeners
// are open before it starts, so that a taken port is known first.
type service struct {
	log   *slog.Logger
	drain time.Duration // how long running requests and statements may take at the end

	api       *http.Server // nil: not in this process
	apiSocket net.Listener

	proxy       *proxy.Server // nil: not in this process
	proxySocket net.Listener
}

// listen opens a TCP socket. flag is what a person changes when it is taken.
func listen(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program: end that one, or choose another address with %s", address, flag)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s: not permitted to listen there (ports below 1024 need a privilege): choose another address with %s", address, flag)
	}
	return nil, fmt.Errorf("listen on %s (%s): %w", address, flag, err)
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// loopback reports whether a listener can be reached from this machine only.
func loopback(l net.Listener) bool { return l.Addr().(*net.TCPAddr).IP.IsLoopback() }

// httpServer wraps the API's handler. The MCP endpoint has its place in front
// of the API because agents' tokens open the one and never the other.
func httpServer(api http.Handler, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		const detail = "the MCP endpoint is not part of this version"
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotImplemented)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"title": "Not implemented", "status": http.StatusNotImplemented, "detail": detail, "code": "NOT_IMPLEMENTED",
			"error": map[string]string{"code": "NOT_IMPLEMENTED", "message": detail},
		})
	})
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// interruption is how a person or a supervisor ends the process: the first
// signal asks to stop, a second one to stop at once.
type interruption struct {
	first context.Context // ends with the first signal
	again chan struct{}   // closed by the second
}

// interruptible begins to listen for signals. It comes before anything is
// started, so that no moment is left in which a signal would leave a mess.
func interruptible(ctx context.Context, log *slog.Logger) (interruption, func()) {
	first, cancel := context.WithCancel(ctx)
	again := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	quit := make(chan struct{})
	go func() {
		for n := range 2 {
			select {
			case got := <-signals:
				if n == 0 {
					log.Info("stopping: what runs may finish, a second signal ends it at once", "signal", got.String())
					cancel()
				} else {
					log.Warn("second signal: ending at once", "signal", got.String())
					close(again)
				}
			case <-quit:
				return
			}
		}
	}()
	return interruption{first, again}, func() {
		signal.Stop(signals)
		close(quit)
		cancel()
	}
}

// run serves until it is interrupted or a part fails. It then drains: nothing
// new is accepted, what is running may finish.
func (s *service) run(stop interruption) error {
	ended := make(chan error, 2)
	parts := 0
	if s.api != nil {
		parts++
		go func() {
			err := s.api.Serve(s.apiSocket)
			if errors.Is(err, http.ErrServerClosed) {
				err = nil
			}
			ended <- err
		}()
	}
	if s.proxy != nil {
		parts++
		go policy.WarmUp() // the first statement under a policy waits for it
		go func() { ended <- s.proxy.Serve(context.Background(), s.proxySocket) }()
	}
	var failure error
	select {
	case <-stop.first.Done():
	case failure = <-ended:
		parts--
		if failure == nil {
			failure = errors.New("a listener closed by itself")
		}
	}
	limit, cut := context.WithTimeout(context.Background(), s.drain)
	defer cut()
	go func() {
		select {
		case <-stop.again:
			cut()
		case <-limit.Done():
		}
	}()
	return errors.Join(failure, s.stop(limit, ended, parts))
}

// stop ends both parts together, waits for the serving goroutines and reports
// what was cut short.
func (s *service) stop(limit context.Context, ended <-chan error, parts int) error {
	cutShort := make(chan error, 2)
	go func() {
		if s.api == nil {
			cutShort <- nil
			return
		}
		err := s.api.Shutdown(limit)
		if err != nil {
			_ = s.api.Close()
		}
		cutShort <- err
	}()
	go func() {
		if s.proxy == nil {
			cutShort <- nil
			return
		}
		cutShort <- s.proxy.Shutdown(limit)
	}()
	for range 2 {
		if err := <-cutShort; err != nil {
			s.log.Warn("not everything could finish", "error", err)
		}
	}
	var failures error
	for range parts {
		failures = errors.Join(failures, <-ended)
	}
	s.log.Info("stopped")
	return failures
}

// withTLS puts TLS in front of the API's socket.
func withTLS(l net.Listener, c *tls.Config) net.Listener {
	c.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(l, c)
}

func joinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
