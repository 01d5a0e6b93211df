package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// lists shares what was listed during one run: replicas, domains, cache rules
// and enrollments have no read of their own, and one request for each of them
// would list everything again each time. What this process itself creates,
// updates and deletes is written through, so that the lists stay true and no
// write of ours is a reason to list again.
type lists struct {
	mu      sync.Mutex // guards entries and what they hold
	entries map[string]*entry
}

type entry struct {
	done   chan struct{} // closed when loaded
	loaded bool
	items  []object
	err    error
	late   []func([]object) []object // our writes while it was being loaded, which it may have missed
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
			for _, write := range e.late {
				items = write(items)
			}
			e.items, e.err, e.late, e.loaded = items, err, nil, true
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

// begin makes a list known that has nothing in it yet, because what it is of
// was made just now.
func (l *lists) begin(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[string]*entry{}
	}
	if l.entries[key] == nil {
		e := &entry{done: make(chan struct{}), loaded: true}
		close(e.done)
		l.entries[key] = e
	}
}

// put writes an item through to a list that somebody has asked for, in place
// of the one with the same value in the field, if there is one; nil removes it.
func (l *lists) put(key, field, value string, item object) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[key]
	if e == nil {
		return
	}
	write := func(items []object) []object {
		items = slices.DeleteFunc(slices.Clone(items), func(o object) bool { return o[field] == value })
		if item != nil {
			items = append(items, item)
		}
		return items
	}
	if !e.loaded {
		e.late = append(e.late, write)
		return
	}
	e.items = write(e.items)
}

// listOf is the key of the list that a resource stands in, "" where it stands
// in none.
func (r *Resource) listOf(values property.Map) string {
	if r.List == nil {
		return ""
	}
	args, query, err := r.List.arguments(r.Properties, "", values)
	if err != nil {
		return ""
	}
	return listKey(r.List, args, query)
}

// uncertain forgets the list that a write may have changed although it failed.
func (s *session) uncertain(values property.Map, err error) {
	if status(err) == 0 {
		s.lists.forget(s.resource.listOf(values))
	}
}

// writeThrough keeps the list true after a write of ours.
func (s *session) writeThrough(values property.Map, obj object) {
	r := s.resource
	key, _ := obj[r.listField()].(string)
	s.lists.put(r.listOf(values), r.listField(), key, obj)
}

// newborn notes that a resource was made just now. What would be looked for
// before it is written (a cache rule) cannot be below it yet, so the look is
// spared: each of two hundred rules on new databases is one request.
func (s *session) newborn(r *Resource, id string, values property.Map) {
	for _, child := range Resources {
		if child.Parent != r.Token || child.Create != nil {
			continue
		}
		if key := child.listOf(values.Set(child.parentID(), property.New(id))); key != "" {
			s.lists.begin(key)
		}
	}
}

// parentID is the property that names the parent: the last in the path of the
// list.
func (r *Resource) parentID() string {
	if r.List == nil || len(r.List.Args) == 0 {
		return ""
	}
	return r.List.Args[len(r.List.Args)-1]
}

// listField is the wire field that a list is searched by.
func (r *Resource) listField() string {
	if r.Key != "" {
		return r.Key
	}
	return "id"
}

// listValue is what that field has for a resource.
func (r *Resource) listValue(id string, values property.Map) string {
	if prop := r.byWire(r.listField()); prop != nil {
		return text(values.Get(prop.Name))
	}
	return id
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
		got, err := s.call(ctx, verb, op, args, page, nil)
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
