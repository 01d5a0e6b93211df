package proxy

import (
	"strings"

	"github.com/pgbeam/pulumi-pgbeam/server/internal/wire"
)

// startup is a startup packet, read.
type startup struct {
	user, database string
	replication    string
	project        string            // from options=project=<subdomain>
	params         map[string]string // all else, to go upstream; "options" without the project
	unknown        []string          // protocol options that are not known
	minor          uint32            // minor protocol version asked for
}

// parseStartup reads the body of a startup packet.
func parseStartup(code uint32, body []byte) (startup, error) {
	st := startup{params: map[string]string{}, minor: code & 0xffff}
	list, err := wire.ParseStartup(body)
	if err != nil {
		return st, protocolViolation(err)
	}
	for _, p := range list {
		switch {
		case p.Name == "user":
			st.user = p.Value
		case p.Name == "database":
			st.database = p.Value
		case p.Name == "replication":
			st.replication = p.Value
		case p.Name == "options":
			var rest []string
			for _, word := range splitOptions(p.Value) {
				if name, ok := strings.CutPrefix(word, "project="); ok {
					st.project = strings.ToLower(name)
				} else {
					rest = append(rest, word)
				}
			}
			if len(rest) > 0 {
				st.params["options"] = joinOptions(rest)
			}
		case strings.HasPrefix(p.Name, "_pq_."):
			st.unknown = append(st.unknown, p.Name)
		default:
			st.params[p.Name] = p.Value
		}
	}
	if st.user == "" {
		return st, fatal(codeNotAuthorized, "", "no PostgreSQL user name specified in startup packet")
	}
	return st, nil
}

// replicates reports whether the client wants the replication protocol, by
// PostgreSQL's spellings of a false value.
func (s startup) replicates() bool {
	switch strings.ToLower(s.replication) {
	case "", "false", "off", "no", "0", "f", "n":
		return false
	}
	return true
}

// settings calls yield with every setting that the packet makes, by itself or
// inside options. A switch that is no setting has no name.
func (s startup) settings(yield func(name, value string)) {
	for name, value := range s.params {
		if name != "options" {
			yield(name, value)
		}
	}
	s.optionSettings(yield)
}

// optionSettings is settings for those inside options.
func (s startup) optionSettings(yield func(name, value string)) {
	if value, ok := s.params["options"]; ok {
		words := splitOptions(value)
		for i := 0; i < len(words); i++ {
			w := words[i]
			switch {
			case w == "-c" && i+1 < len(words):
				i++
				w = words[i]
			case strings.HasPrefix(w, "-c"):
				w = w[2:]
			case strings.HasPrefix(w, "--"):
				w = w[2:]
			default:
				yield("", w)
				continue
			}
			name, value, _ := strings.Cut(w, "=")
			if name == "" {
				yield("", words[i])
				continue
			}
			yield(strings.ReplaceAll(name, "-", "_"), value)
		}
	}
}

// splitOptions splits as PostgreSQL does: at white space, where a backslash
// keeps the next character.
func splitOptions(s string) []string {
	var words []string
	var word strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
			continue
		case '\\':
			if i++; i == len(s) {
				continue
			}
			word.WriteByte(s[i])
		default:
			word.WriteByte(c)
		}
		inside = true
	}
	if inside {
		words = append(words, word.String())
	}
	return words
}

// joinOptions undoes splitOptions.
func joinOptions(words []string) string {
	escape := strings.NewReplacer(`\`, `\\`, " ", `\ `, "\t", "\\\t", "\n", "\\\n", "\v", "\\\v", "\f", "\\\f", "\r", "\\\r")
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = escape.Replace(w)
	}
	return strings.Join(quoted, " ")
}
