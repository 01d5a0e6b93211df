package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pgbeam/pulumi-pgbeam/server/secret"
)

type secretCommands struct {
	Rotate secretsRotateCommand `cmd:"" help:"Encrypt all secrets at rest under a fresh key."`
}

type secretsRotateCommand struct {
	KeepOld bool `help:"Keep the old keys in the key file: for a first round while other processes still have a copy of it."`
	configFlag
	storeFlags
}

func (secretsRotateCommand) Help() string {
	return `Adds a key to the key file, seals every secret in the store anew, then drops the old keys. Running servers that use the same file follow by themselves. Without a key file, makes one.

Example:

  pgbeam secrets rotate --data .pgbeam`
}

func (c secretsRotateCommand) Run(ctx context.Context, out *output) error {
	if os.Getenv(secret.KeysEnv) != "" {
		return fmt.Errorf("the keys come from %s, which this command cannot change: put them into a file, rotate that with --key-file and this variable unset, and distribute the result", secret.KeysEnv)
	}
	path := c.keyFile()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && c.KeyFile != "" {
		if _, _, err := secret.LoadOrCreateKeyring(path); err != nil {
			return err
		}
		out.printf("Made %s with one key. Keep a copy in a safe place: without it the store's secrets cannot be read.\n", path)
		return nil
	}
	s, keys, err := c.existing(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	release, err := keys.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := keys.Rotate(); err != nil {
		return err
	}
	done, err := s.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("%w; old and new keys are both in %s, nothing is lost: run this command again", err, path)
	}
	if c.KeepOld {
		out.printf("Sealed %s under a new key; %s keeps the %d before it.\n", count(done, "secret"), path, keys.Len()-1)
		return nil
	}
	// A server that was sealing under the old key while we went through the
	// store has seen the new file by now: a second pass finds its last ones.
	again, err := s.Reseal(ctx)
	if err != nil {
		return fmt.Errorf("%w; old and new keys are both in %s, nothing is lost: run this command again", err, path)
	}
	if err := keys.DropOld(); err != nil {
		return err
	}
	out.printf("Sealed %s under a new key, now the only one in %s.\n", count(done+again, "secret"), path)
	return nil
}
