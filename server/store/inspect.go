package store

import "context"

// CheckWritable says whether the store answers and can be written to.
func (s *Store) CheckWritable(ctx context.Context) error {
	if err := s.check(ctx); err != nil {
		return s.fail("check", err)
	}
	return nil
}

// CheckSchema says whether the schema is that of this program.
func (s *Store) CheckSchema(ctx context.Context) error {
	version, err := s.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	return s.fits(version, false)
}
