package store

import (
	"context"
	"time"
)

// CheckWritable reports why the store does not respond or cannot be written to.
func (s *Store) CheckWritable(ctx context.Context) error {
	if err := s.engine.checkWritable(ctx); err != nil {
		return s.fail("check", err)
	}
	return nil
}

// CheckSchema reports whether this program works with the schema; the error wraps ErrOlderSchema or ErrNewerSchema.
func (s *Store) CheckSchema(ctx context.Context) error {
	found, err := readSchema(ctx, s.read)
	if err != nil {
		return s.fail("read schema version", err)
	}
	return found.check(s.name, false)
}

// Inspection describes a database to its operator.
type Inspection struct {
	Engine   string // with its version
	Settings []Setting
	Ahead    time.Duration // how far the database's clock is ahead of this machine's; 0 on SQLite
}

// Setting is a setting of the database, as it applies to the connections that write.
type Setting struct {
	Name, Value string
	Wrong       bool // an acknowledged delete could be lost, or deletes are impossible
}

// Inspect queries the version, settings and clock of the database.
func (s *Store) Inspect(ctx context.Context) (Inspection, error) {
	inspection, err := s.engine.inspect(ctx)
	if err != nil {
		return Inspection{}, s.fail("inspect", err)
	}
	return inspection, nil
}
