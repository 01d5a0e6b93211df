package provider

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// formats are the checks beyond patterns. Each says what is wrong with a text,
// to follow the text itself, or nothing.
var formats = map[string]func(s string, now time.Time) string{
	"cidr":          checkCIDR,
	"host":          checkHost,
	"hostname":      checkHostname,
	"https-url":     checkURL,
	"date-time":     checkTime,
	"future":        checkFuture,
	"pg-identifier": checkIdentifier,
	"relation":      checkRelation,
	"predicate":     checkPredicate,
	"query-hash":    checkQueryHash,
	"statement":     oneOfThese(statementKinds),
	"event":         oneOfThese(eventTypes),
}

// The document types these as plain strings, because the service may learn new
// ones; the ones there are as of this version:
var (
	statementKinds = []string{"select", "insert", "update", "delete", "ddl", "copy", "set", "show", "explain", "transaction"}
	eventTypes     = []string{"query_blocked", "budget_exhausted", "kill_switch", "masked", "migration_flagged", "approval_requested",
		"anomaly_alert", "canary_tripped", "content_flagged", "audit_checkpoint"}
)

// oneOfThese wants a word of a list.
func oneOfThese(words []string) func(string, time.Time) string {
	return func(s string, _ time.Time) string {
		if slices.Contains(words, s) {
			return ""
		}
		quoted := make([]string, len(words))
		for i, word := range words {
			quoted[i] = strconv.Quote(word)
		}
		return "is not known; allowed: " + oneOf(quoted, "or") + suggest(s, words)
	}
}

func checkCIDR(s string, _ time.Time) string {
	prefix, err := parseCIDR(s)
	switch {
	case err != nil:
		return "is not an address range; allowed: CIDR notation such as 203.0.113.0/24 or 2001:db8::/32, or one address"
	case prefix.Addr().Zone() != "":
		return "has a zone; leave out what follows %"
	case prefix.Addr().Is4In6():
		return fmt.Sprintf("is an IPv4 address in IPv6 form; write %s", prefix.Addr().Unmap())
	case prefix.Masked() != prefix:
		return fmt.Sprintf("has bits set below its mask; did you mean %s, or %s/%d?", prefix.Masked(), prefix.Addr(), prefix.Addr().BitLen())
	}
	return ""
}

var label = regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?$`)

// hostLabels checks a DNS name label by label.
func hostLabels(s string, underscores bool) string {
	name := strings.TrimSuffix(s, ".")
	if len(name) > 253 {
		return fmt.Sprintf("has %d characters, a host name has at most 253", len(name))
	}
	for _, part := range strings.Split(name, ".") {
		if len(part) > 63 || !label.MatchString(part) || !underscores && strings.Contains(part, "_") {
			return "is not a host name; allowed: labels of up to 63 letters, digits and inner hyphens, separated by dots"
		}
	}
	return ""
}

func checkHost(s string, _ time.Time) string {
	if strings.Contains(s, "://") {
		return "is an address with a scheme; write the host alone"
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		if strings.ContainsAny(s, "[]") {
			return "has brackets; write the IPv6 address without them"
		}
		return ""
	}
	if host, port, ok := strings.Cut(s, ":"); ok {
		return fmt.Sprintf("is not a host; put %q into host and %q into port", host, port)
	}
	return hostLabels(s, true)
}

func checkHostname(s string, _ time.Time) string {
	if _, err := netip.ParseAddr(s); err == nil {
		return "is an address; a domain name is needed"
	}
	if strings.HasSuffix(s, ".") {
		return "ends with a dot; leave it out"
	}
	if wrong := hostLabels(s, false); wrong != "" {
		return wrong
	}
	if !strings.Contains(s, ".") {
		return "is a single label; a full domain name such as db.example.com is needed"
	}
	return ""
}

// checkURL wants encryption, except on this machine, where tests run servers.
// Which addresses the service delivers to is the server's own decision.
func checkURL(s string, _ time.Time) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "":
		return "is not an address; it must look like https://example.com/hook"
	case u.User != nil:
		return "holds a user name or password; use the secret to authenticate deliveries"
	case u.Scheme == "http" && loopback(u.Hostname()), u.Scheme == "https":
		return ""
	}
	return "must begin with https://"
}

func checkTime(s string, _ time.Time) string {
	if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
		return "is not a date and time; allowed: RFC 3339 such as 2027-01-31T00:00:00Z"
	}
	return ""
}

func checkFuture(s string, now time.Time) string {
	if wrong := checkTime(s, now); wrong != "" {
		return wrong
	}
	if at, _ := time.Parse(time.RFC3339Nano, s); !at.After(now) {
		return fmt.Sprintf("is in the past (it is %s now); a time ahead is needed", now.UTC().Format(time.RFC3339))
	}
	return ""
}

func checkIdentifier(s string, _ time.Time) string {
	switch {
	case s == "":
		return "is not a PostgreSQL name; it must not be empty"
	case strings.ContainsRune(s, 0):
		return "holds a zero byte, which no PostgreSQL name has"
	case len(s) > 63:
		return fmt.Sprintf("has %d bytes; PostgreSQL names have at most 63", len(s))
	}
	return ""
}

// checkRelation reads a table name as SQL writes it: name or schema.name, each
// plain or in double quotes.
func checkRelation(s string, now time.Time) string {
	const allowed = `; allowed: table or schema.table, each part plain or in double quotes, such as public."Order Lines"`
	parts, err := relationParts(s)
	if err != "" {
		return err + allowed
	}
	if len(parts) > 2 {
		return "has more than a schema and a table" + allowed
	}
	for _, part := range parts {
		if wrong := checkIdentifier(part, now); wrong != "" {
			return wrong
		}
	}
	return ""
}

// relationParts splits a relation name into its names, folded as PostgreSQL
// folds them: the ASCII letters of plain ones to lower case.
func relationParts(s string) (parts []string, wrong string) {
	for rest := s; ; {
		var part string
		if strings.HasPrefix(rest, `"`) {
			for rest = rest[1:]; ; rest = rest[1:] { // a quote within is written twice
				before, after, ended := strings.Cut(rest, `"`)
				if !ended {
					return nil, "has a quote that does not end"
				}
				part, rest = part+before, after
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				part += `"`
			}
		} else {
			i := strings.IndexByte(rest, '.')
			if i < 0 {
				i = len(rest)
			}
			part, rest = rest[:i], rest[i:]
			if !plainRelation.MatchString(part) {
				return nil, "is not a table name"
			}
			part = strings.Map(lowerASCII, part)
		}
		parts = append(parts, part)
		if rest == "" {
			return parts, ""
		}
		if rest[0] != '.' {
			return nil, "is not a table name"
		}
		rest = rest[1:]
	}
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

var plainRelation = regexp.MustCompile(`^[\p{L}_][\p{L}\p{N}_$]*$`)

// checkPredicate finds the mistakes that can be seen without a parser.
func checkPredicate(s string, _ time.Time) string {
	trimmed := strings.TrimSpace(s)
	switch {
	case trimmed == "":
		return "is not a condition; it must not be empty"
	case strings.ContainsRune(s, 0):
		return "holds a zero byte"
	case len(trimmed) >= 6 && strings.EqualFold(trimmed[:5], "where") && (trimmed[5] == ' ' || trimmed[5] == '\n' || trimmed[5] == '\t'):
		return "begins with WHERE; write the condition alone"
	case strings.HasSuffix(trimmed, ";"):
		return "ends with a semicolon; write the condition alone"
	}
	return ""
}

var queryHash = regexp.MustCompile(`^[0-9a-f]{16}$`)

func checkQueryHash(s string, _ time.Time) string {
	if !queryHash.MatchString(s) {
		return "is not a query hash; 16 lower-case hexadecimal digits are needed, as getQueryHash gives them"
	}
	return ""
}
