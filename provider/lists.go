package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// lists shares what was listed during one run: replicas, domains, cache rules
// and enrollments have no read of their own, and one request for each of them
// would list everything again each time. What this process itself creates,
// updates and deletes is written through, so that the lists stay true.
type lists struct {
	mu      sync.Mutex // guards entries and, once loaded, their items
	entries map[string]*entry
}

type entry struct {
	done  chan struct{}
	items []object
	err   error
}

// listKey names one list: the operation and the parent it is of.
func listKey(op *Operation, args []string, query map[string]string) string {
	key := op.ID + "/" + strings.Join(args, "/")
	for _, name := range slices.Sorted(maps.Keys(query)) {
		key += "?" + name + "=" + query[name]
	}
	return key
}

// get returns all items, loading them once however many ask.
func (l *lists) get(ctx context.Context, key string, load func(context.Context) ([]object, error)) ([]object, error) {
	for {
		l.mu.Lock()
		if l.entries == nil {
			l.entries = map[string]*entry{}
		}
		e := l.entries[key]
		if e == nil {
			e = &entry{done: make(chan struct{})}
			l.entries[key] = e
			l.mu.Unlock()
			items, err := load(ctx)
			l.mu.Lock()
			e.items, e.err = items, err
			if err != nil && l.entries[key] == e {
				delete(l.entries, key)
			}
			close(e.done)
			defer l.mu.Unlock()
			return slices.Clone(items), err
		}
		l.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		// The one that loaded may have been cancelled; that is no reason for us.
		if errors.Is(e.err, context.Canceled) || errors.Is(e.err, context.DeadlineExceeded) {
			continue
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		return slices.Clone(e.items), e.err
	}
}

// forget drops a list, after a write whose outcome is not known.
func (l *lists) forget(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, key)
}

// put writes an item through to a list that was loaded, in place of the one
// with the same value in the field, if there is one; nil removes it.
func (l *lists) put(key, field, value string, item object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e == nil {
		return
	}
	select {
	case <-e.done:
	default:
		delete(l.entries, key) // being loaded: it may or may not see the write
		return
	}
	e.items = slices.DeleteFunc(slices.Clone(e.items), func(o object) bool { return o[field] == value })
	if item != nil {
		e.items = append(e.items, item)
	}
}

// list asks an operation for all its items, page by page.
func (s *session) list(ctx context.Context, op *Operation, args []string, query map[string]string) ([]object, error) {
	return s.lists.get(ctx, listKey(op, args, query), func(ctx context.Context) ([]object, error) {
		return s.listNow(ctx, "list", op, args, query)
	})
}

// listNow asks for all items whatever was listed before.
func (s *session) listNow(ctx context.Context, verb string, op *Operation, args []string, query map[string]string) ([]object, error) {
	var all []object
	page := map[string]string{}
	maps.Copy(page, query)
	if op.Paged {
		page["page_size"] = "100"
	}
	tokens := map[string]bool{}
	for {
		got, err := s.call(ctx, verb, op, args, page, nil, "")
		if err != nil {
			return nil, err
		}
		items, _ := got.body[op.Items].([]any)
		for _, item := range items {
			if o, ok := item.(object); ok {
				all = append(all, o)
			}
		}
		token, _ := got.body["next_page_token"].(string)
		if token == "" || !op.Paged {
			return all, nil
		}
		if tokens[token] {
			return nil, fmt.Errorf("%s %s: the API gave the page token %q twice", verb, s.resource.Title, token)
		}
		tokens[token] = true
		page["page_token"] = token
	}
}
