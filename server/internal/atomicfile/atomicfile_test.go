package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteReplacesContentAndMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, w := range []struct {
		text string
		mode os.FileMode
	}{{"longer than what comes next", 0o644}, {"short", 0o600}} {
		if err := Write(path, w.mode, []byte(w.text)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil || string(text) != w.text {
			t.Errorf("holds %q, %v", text, err)
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != w.mode {
			t.Errorf("mode %v, %v", st.Mode(), err)
		}
	}
	if err := Write(filepath.Join(dir, "nowhere", "file"), 0o600, nil); err == nil {
		t.Error("written into a folder that is not there")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("left %v, %v", files, err)
	}
}
