package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func checkout(t *testing.T) *quickstart {
	t.Helper()
	root := t.TempDir()
	return &quickstart{root: root, dir: filepath.Join(root, ".pgbeam")}
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// "pgbeam dev" without flags keeps its data in the same folder.
func TestDownSparesAFolderThatUpDidNotMake(t *testing.T) {
	q := checkout(t)
	theirs := filepath.Join(q.dir, "pgbeam.db")
	touch(t, theirs, time.Now())
	if err := q.claim(); err == nil {
		t.Error("up takes a folder that is somebody else's")
	}
	if err := q.down(); err == nil {
		t.Error("down did not say that it spares the folder")
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error(err)
	}
}

func TestDownRemovesWhatUpMadeAndNothingElse(t *testing.T) {
	q := checkout(t)
	if err := q.claim(); err != nil {
		t.Fatal(err)
	}
	kept, made := filepath.Join(q.root, "bin"), filepath.Join(q.root, "sdk", "node_modules")
	touch(t, filepath.Join(kept, "tool"), time.Now())
	for _, path := range []string{kept, made} {
		if err := q.made(path); err != nil {
			t.Fatal(err)
		}
	}
	touch(t, filepath.Join(made, "package"), time.Now())
	// Another process runs down.
	again := &quickstart{root: q.root, dir: q.dir}
	if err := again.read(); err != nil {
		t.Fatal(err)
	}
	if err := again.down(); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{made, q.dir} {
		if _, err := os.Stat(gone); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", gone, err)
		}
	}
	if _, err := os.Stat(filepath.Join(kept, "tool")); err != nil {
		t.Errorf("down removed what was there before up: %v", err)
	}
}

func TestPortsStayAndYieldToOthers(t *testing.T) {
	q := checkout(t)
	if err := q.claim(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	q.kept.API, q.kept.Listen = taken.Addr().String(), "127.0.0.1:0"
	if err := q.choosePorts(); err != nil {
		t.Fatal(err)
	}
	chosen := q.kept
	if chosen.API == taken.Addr().String() {
		t.Error("the API gets a port that another program has")
	}
	if err := q.choosePorts(); err != nil {
		t.Fatal(err)
	}
	if q.kept.API != chosen.API || q.kept.Listen != chosen.Listen {
		t.Error("a second start moves to other ports, and every connection string with it")
	}
}

func TestOlder(t *testing.T) {
	root := t.TempDir()
	now := time.Now()
	built, source := filepath.Join(root, "bin", "index.js"), filepath.Join(root, "index.ts")
	touch(t, source, now)
	if !older(built, root, "bin") {
		t.Error("what is missing counts as built")
	}
	touch(t, built, now.Add(time.Second))
	if older(built, root, "bin") {
		t.Error("what is newer than its sources counts as old")
	}
	touch(t, filepath.Join(root, "bin", "later"), now.Add(time.Minute))
	if older(built, root, "bin") {
		t.Error("a folder that was to be left out counts")
	}
	touch(t, source, now.Add(2*time.Second))
	if !older(built, root, "bin") {
		t.Error("a source that changed since does not count")
	}
}

func TestEnvironmentFileSurvivesTheShell(t *testing.T) {
	if got, want := quote("it's $HOME"), `'it'\''s $HOME'`; got != want {
		t.Errorf("quoted as %s, want %s", got, want)
	}
}
