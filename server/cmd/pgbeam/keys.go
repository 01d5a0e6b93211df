package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
	"github.com/pgbeam/pulumi-pgbeam/server/store"
)

type keysCommands struct {
	Create keysCreateCommand `cmd:"" help:"Issue an API key and print it, this once."`
	List   keysListCommand   `cmd:"" help:"List API keys; the keys themselves are not kept."`
	Revoke keysRevokeCommand `cmd:"" help:"Make an API key stop working at once."`
}

// configFlag reads what a command shares with "pgbeam serve" from its file.
type configFlag struct {
	Config string `short:"c" env:"PGBEAM_CONFIG" placeholder:"FILE" help:"Configuration file of \"pgbeam serve\"."`
}

type keysCreateCommand struct {
	Org     string `required:"" placeholder:"ID" help:"Organization that the key belongs to. It comes to be with its first key."`
	Name    string `default:"default" help:"What the key is for."`
	Expires string `default:"never" placeholder:"WHEN" help:"Days such as 90d, a duration such as 12h, a date such as 2030-01-31, or never (${default})."`
	JSON    bool   `name:"json" help:"Print one JSON object."`
	configFlag
	storeFlags
}

func (keysCreateCommand) Help() string {
	return "Works beside a running server.\n\nExample:\n\n  pgbeam keys create --org org_acme --name ci --expires 90d"
}

var organizationID = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

func (c keysCreateCommand) Run(ctx context.Context, out *output) error {
	if !organizationID.MatchString(c.Org) {
		return fmt.Errorf("--org: %q is no organization id: letters, digits, \"_\", \".\" and \"-\" only", c.Org)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	expires, err := parseExpiry(c.Expires, now)
	if err != nil {
		return fmt.Errorf("--expires: %w", err)
	}
	s, _, err := c.configured(ctx, c.configFlag)
	if err != nil {
		return err
	}
	defer s.Close()
	var made issuedKey
	if err := s.Update(ctx, func(tx store.Tx) error {
		made, err = issueKey(tx, c.Org, c.Name, expires, now)
		return err
	}); err != nil {
		return fmt.Errorf("issue key: %w", err)
	}
	if c.JSON {
		return out.json(keyJSON(made.record, made.secret.Reveal()))
	}
	out.printf("%s\n\n  %s\n\n", out.bold("API key of "+c.Org+", shown this once:"), made.secret.Reveal())
	until := "It does not expire."
	if expires != nil {
		until = "It expires " + expires.Format(time.RFC3339) + "."
	}
	out.printf("%s To use it: export PGBEAM_API_KEY=KEY\nTo end it:  pgbeam keys revoke %s\n", until, made.record.ID)
	return nil
}

type issuedKey struct {
	record store.Key
	secret secret.Text
}

// issueKey makes a key, and the organization if it is the first.
func issueKey(tx store.Tx, org, name string, expires *time.Time, now time.Time) (issuedKey, error) {
	_, err := tx.Organizations().Get("", org)
	if errors.Is(err, store.ErrNotFound) {
		slug := strings.TrimPrefix(org, "org_")
		err = tx.Organizations().Insert(store.Organization{ID: org, Name: slug, Slug: slug, CreatedAt: now, UpdatedAt: now})
	}
	if err != nil {
		return issuedKey{}, err
	}
	token := secret.NewToken("pgb_")
	plain := token.Reveal()
	record := store.Key{
		ID: store.NewID("key"), OrgID: org, Name: name,
		Hash: secret.HashToken(plain), Hint: "pgb_..." + plain[len(plain)-4:],
		CreatedAt: now, ExpiresAt: expires,
	}
	return issuedKey{record, token}, tx.Keys().Insert(record)
}

var days = regexp.MustCompile(`^([0-9]+)d$`)

// parseExpiry reads what --expires takes; nil is never.
func parseExpiry(text string, now time.Time) (*time.Time, error) {
	var at time.Time
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 36500 {
			return nil, fmt.Errorf("%q is more than a hundred years", text)
		}
		at = now.AddDate(0, 0, n)
	} else if text == "never" {
		return nil, nil
	} else if d, err := time.ParseDuration(text); err == nil {
		at = now.Add(d)
	} else if t, err := time.Parse(time.DateOnly, text); err == nil {
		at = t
	} else if t, err := time.Parse(time.RFC3339, text); err == nil {
		at = t.UTC()
	} else {
		return nil, fmt.Errorf("cannot read %q: write days (90d), a duration (12h), a date (2030-01-31) or never", text)
	}
	if !at.After(now) {
		return nil, fmt.Errorf("%q is not in the future", text)
	}
	return &at, nil
}

type keysListCommand struct {
	Org  string `placeholder:"ID" help:"Only keys of this organization."`
	JSON bool   `name:"json" help:"Print one JSON array."`
	configFlag
	storeFlags
}

func (keysListCommand) Help() string { return "Example:\n\n  pgbeam keys list --org org_acme" }

func (c keysListCommand) Run(ctx context.Context, out *output) error {
	s, _, err := c.existing(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var keys []store.Key
	if err := s.View(ctx, func(tx store.Tx) error {
		keys, _, _, err = tx.Keys().List(c.Org, store.Page{})
		return err
	}); err != nil {
		return fmt.Errorf("list keys: %w", err)
	}
	if c.JSON {
		all := make([]any, 0, len(keys))
		for _, k := range keys {
			all = append(all, keyJSON(k, ""))
		}
		return out.json(all)
	}
	if len(keys) == 0 {
		out.printf("No keys. Issue one: pgbeam keys create --org ORG\n")
		return nil
	}
	slices.SortStableFunc(keys, func(a, b store.Key) int { return strings.Compare(a.OrgID, b.OrgID) })
	rows := make([][]string, 0, len(keys))
	for _, k := range keys {
		used := "never"
		if k.LastUsedAt != nil {
			used = k.LastUsedAt.Format(time.DateTime)
		}
		rows = append(rows, []string{k.ID, k.OrgID, k.Name, k.Hint, k.CreatedAt.Format(time.DateTime), used, keyState(k, time.Now())})
	}
	out.table([]string{"ID", "ORGANIZATION", "NAME", "KEY", "CREATED (UTC)", "LAST USED", "STATE"}, rows)
	return nil
}

func keyState(k store.Key, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !k.ExpiresAt.After(now):
		return "expired"
	case k.ExpiresAt != nil:
		return "active until " + k.ExpiresAt.Format(time.DateOnly)
	}
	return "active"
}

// keyJSON is a key for scripts; its secret only when it was just made.
func keyJSON(k store.Key, plain string) any {
	return struct {
		ID         string     `json:"id"`
		OrgID      string     `json:"org_id"`
		Name       string     `json:"name"`
		Key        string     `json:"key,omitempty"`
		Hint       string     `json:"hint"`
		State      string     `json:"state"`
		CreatedAt  time.Time  `json:"created_at"`
		ExpiresAt  *time.Time `json:"expires_at"`
		RevokedAt  *time.Time `json:"revoked_at"`
		LastUsedAt *time.Time `json:"last_used_at"`
	}{k.ID, k.OrgID, k.Name, plain, k.Hint, strings.Fields(keyState(k, time.Now()))[0], k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt}
}

type keysRevokeCommand struct {
	ID string `arg:"" help:"Id of the key, as \"pgbeam keys list\" shows it."`
	configFlag
	storeFlags
}

func (keysRevokeCommand) Help() string {
	return "The very next request with the key is refused.\n\nExample:\n\n  pgbeam keys revoke key_01h455vb4pex5vsknk084sn02q"
}

func (c keysRevokeCommand) Run(ctx context.Context, out *output) error {
	s, _, err := c.existing(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	var key store.Key
	already := false
	err = s.Update(ctx, func(tx store.Tx) error {
		if key, err = tx.Keys().Get("", c.ID); err != nil {
			return err
		}
		if already = key.RevokedAt != nil; already {
			return nil
		}
		now := time.Now().UTC().Truncate(time.Microsecond)
		key.RevokedAt = &now
		return tx.Keys().Update(key)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no key %q: \"pgbeam keys list\" shows those there are", c.ID)
	case err != nil:
		return fmt.Errorf("revoke key: %w", err)
	case already:
		out.printf("Key %s (%s of %s) was revoked already, at %s.\n", key.ID, key.Name, key.OrgID, key.RevokedAt.Format(time.RFC3339))
	default:
		out.printf("Key %s (%s of %s) is revoked.\n", key.ID, key.Name, key.OrgID)
	}
	return nil
}
