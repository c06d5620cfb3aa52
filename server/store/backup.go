package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a consistent copy of the embedded store to a new file, readable for its owner only, while the store
// goes on serving. The file appears under its name when it is complete and on the disk. PostgreSQL has pg_dump for that
// purpose: the error says so.
func (s *Store) Backup(ctx context.Context, file string) error {
	if s.path == "" {
		return errors.New("back up PostgreSQL with pg_dump: this is for the embedded store")
	}
	if err := s.backup(ctx, file); err != nil {
		return fmt.Errorf("back up %s: %w", s, err)
	}
	return nil
}

func (s *Store) backup(ctx context.Context, file string) error {
	switch _, err := os.Lstat(file); {
	case err == nil:
		return fmt.Errorf("%s: %w", file, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// Its mode is 0600, and VACUUM INTO writes into a file that is empty.
	partial, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".partial-")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(partial.Close(), os.Remove(partial.Name())) }()

	// A connection of its own: those that read refuse the statement, and the one that writes has other things to do.
	db, err := connectSQLite(s.path, "rw", nil)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, partial.Name()); err != nil {
		return err
	}
	if err := partial.Sync(); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), file); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(file))
}

// syncFolder brings the names in the folder to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
