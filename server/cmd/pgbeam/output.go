package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// output writes what a person or a script reads. Colours appear on a terminal
// only, and never with NO_COLOR.
type output struct {
	out                *report
	err                io.Writer
	colorOut, colorErr bool
}

func newOutput(out, err io.Writer) *output {
	return &output{out: &report{to: out}, err: err, colorOut: colored(out), colorErr: colored(err)}
}

// report is standard output. It keeps the first error, so that no command
// succeeds whose result, a verdict or a key that is shown once, reached nobody.
type report struct {
	mu     sync.Mutex
	to     io.Writer
	failed error
}

func (r *report) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, err := r.to.Write(p)
	if err != nil && r.failed == nil {
		r.failed = fmt.Errorf("write standard output: %w", err)
	}
	return n, err
}

func (r *report) lost() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func colored(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

func paint(on bool, code, text string) string {
	if !on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (o *output) bold(s string) string { return paint(o.colorOut, "1", s) }
func (o *output) dim(s string) string  { return paint(o.colorOut, "2", s) }

func (o *output) printf(format string, args ...any) { fmt.Fprintf(o.out, format, args...) }

// fail prints an error as the last thing a person sees.
func (o *output) fail(err error) {
	fmt.Fprintf(o.err, "%s %v\n", paint(o.colorErr, "1;31", "pgbeam:"), err)
}

// facts prints aligned lines of a name and a value.
func (o *output) facts(lines [][2]string) {
	width := 0
	for _, l := range lines {
		width = max(width, len(l[0]))
	}
	for _, l := range lines {
		o.printf("  %s%s  %s\n", o.dim(l[0]), strings.Repeat(" ", width-len(l[0])), l[1])
	}
}

// json prints a value as one line.
func (o *output) json(v any) error {
	enc := json.NewEncoder(o.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}

// table prints rows under headings, columns aligned.
func (o *output) table(headings []string, rows [][]string) {
	widths := make([]int, len(headings))
	for _, row := range append([][]string{headings}, rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	line := func(row []string, style func(string) string) {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len(cell)))
			}
		}
		o.printf("%s\n", style(b.String()))
	}
	line(headings, o.bold)
	for _, row := range rows {
		line(row, func(s string) string { return s })
	}
}

// logFlags say how the service logs to standard error.
type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" env:"PGBEAM_LOG_LEVEL" help:"Log from this level on: ${enum}."`
	LogFormat string `enum:"text,json" default:"text" env:"PGBEAM_LOG_FORMAT" help:"Log lines as ${enum}."`
}

func (f logFlags) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.LogLevel)) // kong has checked the enum
	options := &slog.HandlerOptions{Level: level}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
