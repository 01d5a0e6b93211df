package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// docs adds to the description of a resource what its page shows besides:
// examples in every language, and how to import one. A function that is more
// than a look-up has examples too.
type docs struct {
	dir string // has one markdown file per resource or function
}

// of is the text that follows the description of a resource.
func (d docs) of(r *resource) (string, error) {
	examples, err := d.examples(r.note.Token)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%s has no examples: write %s/%s.md with one in every language", r.note.Token, d.dir, strings.ToLower(r.note.Token))
	}
	return examples + "\n## Import\n\n" + d.imports(r), err
}

// ofFunction is the text that follows the description of a function.
func (d docs) ofFunction(f *function) (string, error) {
	examples, err := d.examples(short(f.token))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return examples, err
}

func (d docs) examples(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(d.dir, strings.ToLower(name)+".md"))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("\n\n## Example Usage\n\n{{% examples %}}\n")
	for _, example := range strings.Split("\n"+strings.TrimSpace(string(text)), "\n### ")[1:] {
		out.WriteString("{{% example %}}\n### " + strings.TrimSpace(example) + "\n{{% /example %}}\n")
	}
	out.WriteString("{{% /examples %}}\n")
	return out.String(), nil
}

// imports says how to import a resource: by the id that the API gives it, and
// by the longer form that says what it belongs to.
func (d docs) imports(r *resource) string {
	title := strings.ToUpper(r.note.Title[:1]) + r.note.Title[1:] + "s"
	long := placeholders.ReplaceAllStringFunc(r.note.Import.string, func(p string) string {
		return "<" + strings.ToLower(strings.TrimSuffix(strings.Trim(p, "{}"), "Id")) + ">"
	})
	long = strings.NewReplacer("<queryhash>", "<query hash>", "<org>", "<organization>").Replace(long)
	command := func(id string) string {
		return "```sh\n$ pulumi import " + r.token + " example '" + id + "'\n```\n"
	}
	if r.note.Import.string == r.note.ID.string {
		return title + " are imported by `" + long + "`:\n\n" + command(long)
	}
	return title + " are imported by `" + long + "`, or by `<id>` alone where the API key can find what it belongs to:\n\n" + command(long)
}
