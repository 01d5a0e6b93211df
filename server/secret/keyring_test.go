package secret

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestSealedValueOpensOnlyInItsPlace(t *testing.T) {
	k := must(NewKeyring())(t)
	sealed := must(k.Seal([]byte("upstream password"), []byte("databases/db_1/password")))(t)
	if bytes.Contains(sealed, []byte("password")) {
		t.Fatal("sealed value shows its text")
	}
	if got := must(k.Open(sealed, []byte("databases/db_1/password")))(t); string(got) != "upstream password" {
		t.Fatalf("opened %q", got)
	}
	if _, err := k.Open(sealed, []byte("databases/db_2/password")); !errors.Is(err, ErrOpen) {
		t.Fatalf("value moved to another row opened: %v", err)
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := k.Open(sealed, []byte("databases/db_1/password")); !errors.Is(err, ErrOpen) {
		t.Fatalf("altered value opened: %v", err)
	}
	if _, err := must(NewKeyring())(t).Open(sealed, []byte("databases/db_1/password")); !errors.Is(err, ErrOpen) {
		t.Fatalf("value opened with foreign keys: %v", err)
	}
}

func TestRotationKeepsOldKeysForOpening(t *testing.T) {
	k := must(NewKeyring())(t)
	old := must(k.Seal([]byte("v"), nil))(t)
	if err := k.Rotate(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(old, nil); err != nil {
		t.Fatalf("value of the older key: %v", err)
	}
	fresh := must(k.Seal([]byte("v"), nil))(t)
	if k.IsPrimary(old) || !k.IsPrimary(fresh) {
		t.Fatal("after a rotation only new values are sealed under the primary key")
	}
	if err := k.DropOld(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(old, nil); !errors.Is(err, ErrOpen) {
		t.Fatalf("dropped key still opens: %v", err)
	}
	if _, err := k.Open(fresh, nil); err != nil || k.Len() != 1 {
		t.Fatalf("%d keys, open: %v", k.Len(), err)
	}
}

func TestRunningProcessFollowsRotatedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	cli, created, err := LoadOrCreateKeyring(path)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	server := must(LoadKeyring(path))(t)
	defer must(cli.Hold(t.Context()))(t)()
	if err := cli.Rotate(); err != nil {
		t.Fatal(err)
	}
	resealed := must(cli.Seal([]byte("v"), nil))(t)
	if got, err := server.Open(resealed, nil); err != nil || string(got) != "v" {
		t.Fatalf("server cannot open what the rotation sealed: %q, %v", got, err)
	}
	if err := cli.DropOld(); err != nil {
		t.Fatal(err)
	}
	sealed := must(server.Seal([]byte("w"), nil))(t)
	if _, err := must(LoadKeyring(path))(t).Open(sealed, nil); err != nil {
		t.Fatalf("server sealed under a dropped key: %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Seal([]byte("x"), nil); err == nil {
		t.Fatal("sealed under a key that exists in memory only: lost at the next start")
	}
}

// Two rotations of one file, each with values that it sealed: whatever their
// order, no value may be left without its key.
func TestRotationsAtTheSameMomentLoseNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, _, err := LoadOrCreateKeyring(path); err != nil {
		t.Fatal(err)
	}
	first := must(must(LoadKeyring(path))(t).Seal([]byte("v"), nil))(t)
	var mu sync.Mutex // stands for the store: one value, sealed anew by each rotation
	stored := first
	reseal := func(k *Keyring) error {
		mu.Lock()
		defer mu.Unlock()
		plain, err := k.Open(stored, nil)
		if err != nil {
			return err
		}
		if sealed, err := k.Seal(plain, nil); err == nil {
			stored = sealed
		}
		return err
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			k, err := LoadKeyring(path)
			if err != nil {
				t.Error(err)
				return
			}
			release, err := k.Hold(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			for _, step := range []func() error{k.Rotate, func() error { return reseal(k) }, k.DropOld} {
				if err := step(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := must(LoadKeyring(path))(t)
	if plain, err := last.Open(stored, nil); err != nil || string(plain) != "v" || last.Len() != 1 {
		t.Errorf("the value is %q (%v) under %d keys", plain, err, last.Len())
	}
}

func TestAKeyringIsChangedOnlyWhileItIsHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	one, _, err := LoadOrCreateKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	other := must(LoadKeyring(path))(t)
	release := must(one.Hold(t.Context()))(t)
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.Hold(impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("two hold it: %v", err)
	}
	if err := other.Rotate(); err == nil {
		t.Error("rotated while another holds it")
	}
	release()
	if err := one.DropOld(); err == nil {
		t.Error("dropped keys without holding it")
	}
}

func TestKeyringFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "keys.json")
	if _, _, err := LoadOrCreateKeyring(path); err != nil {
		t.Fatal(err)
	}
	st := must(os.Stat(path))(t)
	if st.Mode().Perm() != 0o600 {
		t.Fatalf("made with mode %04o", st.Mode().Perm())
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKeyring(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Fatalf("mode %04o: error without remedy: %v", mode, err)
		}
	}
}

func TestProcessesThatStartTogetherShareOneKeyring(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	rings := make([]*Keyring, 8)
	var wg sync.WaitGroup
	var mu sync.Mutex
	makers := 0
	for i := range rings {
		wg.Go(func() {
			k, created, err := LoadOrCreateKeyring(path)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			rings[i] = k
			if created {
				makers++
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if makers != 1 {
		t.Fatalf("%d processes say they made the file", makers)
	}
	sealed := must(rings[0].Seal([]byte("v"), nil))(t)
	for i, k := range rings {
		if _, err := k.Open(sealed, nil); err != nil {
			t.Fatalf("keyring %d: %v", i, err)
		}
	}
}

func TestKeyringFromEnvironment(t *testing.T) {
	k := must(NewKeyring())(t)
	sealed := must(k.Seal([]byte("v"), nil))(t)
	text := must(k.Encode())(t)
	json := must(encode(k.handle))(t)
	for name, in := range map[string]string{"base64": text.Reveal(), "JSON": string(json), "line end": text.Reveal() + "\n"} {
		got, err := ParseKeyring(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := got.Open(sealed, nil); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, in := range map[string]string{
		"empty":         "",
		"no keyset":     "canary-key-material",
		"no JSON":       `{"canary-key-material`,
		"no keys":       `{"primaryKeyId": 1}`,
		"truncated":     text.Reveal()[:len(text.Reveal())/2],
		"unknown field": `{"canary-key-material": "x"}`,
	} {
		if _, err := ParseKeyring(in); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: error quotes key material: %v", name, err)
		}
	}
}
