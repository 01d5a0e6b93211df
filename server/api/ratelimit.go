package api

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateLimit allows Requests in each Window to every key; zero is no limit.
type RateLimit struct {
	Requests int
	Window   time.Duration
}

// limiters holds one token bucket per key.
type limiters struct {
	limit RateLimit
	now   func() time.Time

	mu    sync.Mutex
	byKey map[string]*rate.Limiter
	swept time.Time
}

func newLimiters(limit RateLimit, now func() time.Time) *limiters {
	if limit.Requests > 0 && limit.Window <= 0 {
		limit.Window = time.Second
	}
	return &limiters{limit: limit, now: now, byKey: map[string]*rate.Limiter{}}
}

// admit charges one request to a key and writes the state of its bucket into
// the response's header.
func (l *limiters) admit(key string, header http.Header) error {
	if l.limit.Requests <= 0 {
		return nil
	}
	now := l.now()
	bucket := l.bucket(key, now)
	admitted := bucket.AllowN(now, 1)
	tokens := max(0, bucket.TokensAt(now))
	perToken := l.limit.Window.Seconds() / float64(l.limit.Requests)
	refill := int(math.Ceil((float64(l.limit.Requests) - tokens) * perToken))

	header.Set("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d;qu="requests"`, l.limit.Requests, int(math.Ceil(l.limit.Window.Seconds()))))
	header.Set("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, int(tokens), refill))
	header.Set("X-RateLimit-Limit", strconv.Itoa(l.limit.Requests))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(int(tokens)))
	if admitted {
		return nil
	}
	wait := max(1, int(math.Ceil((1-tokens)*perToken)))
	return &problem{
		status: http.StatusTooManyRequests,
		code:   codeRateLimited,
		detail: fmt.Sprintf("this API key may send %d requests in %s; try again in %d s", l.limit.Requests, l.limit.Window, wait),
		header: map[string]string{"Retry-After": strconv.Itoa(wait)},
	}
}

func (l *limiters) bucket(key string, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > time.Minute+l.limit.Window {
		for k, b := range l.byKey { // a full bucket is as good as none
			if b.TokensAt(now) >= float64(l.limit.Requests) {
				delete(l.byKey, k)
			}
		}
		l.swept = now
	}
	b := l.byKey[key]
	if b == nil {
		b = rate.NewLimiter(rate.Limit(float64(l.limit.Requests)/l.limit.Window.Seconds()), l.limit.Requests)
		l.byKey[key] = b
	}
	return b
}
