package store

import (
	"context"
	"slices"
	"strings"
	"time"
)

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

// Redact is url without what is secret in it: user, password and parameters. Of a URL that Open refuses nothing is left.
func Redact(url string) string {
	if strings.HasPrefix(url, "sqlite:") {
		return url
	}
	if CheckURL(url) != nil {
		return ""
	}
	config, err := parsePostgres(url)
	if err != nil {
		return ""
	}
	return postgresName(config.ConnConfig)
}

// Inspection is what an operator wants to know of a database.
type Inspection struct {
	Engine   string // with its version
	Settings []Setting
	Ahead    time.Duration // of the database's clock before ours; 0 on SQLite, which has none
}

// Setting is one of the database's, as it is for the connections that write.
type Setting struct {
	Name, Value string
	Wrong       bool // an acknowledged delete could be lost, or nothing be deleted at all
}

// Inspect asks the database how it is set up.
func (s *Store) Inspect(ctx context.Context) (Inspection, error) {
	inspect := s.inspectPostgres
	if s.path != "" {
		inspect = s.inspectSQLite
	}
	inspection, err := inspect(ctx)
	if err != nil {
		return Inspection{}, s.fail("inspect", err)
	}
	return inspection, nil
}

// sqliteSynchronous are the names of the numbers by which SQLite tells the pragma synchronous.
var sqliteSynchronous = map[string]string{"0": "off", "1": "normal", "2": "full", "3": "extra"}

func (s *Store) inspectSQLite(ctx context.Context) (inspection Inspection, err error) {
	var version string
	if err := s.write.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&version); err != nil {
		return Inspection{}, err
	}
	inspection.Engine = "SQLite " + version
	for _, name := range []string{"journal_mode", "synchronous", "busy_timeout", "foreign_keys", "auto_vacuum", "page_size", "wal_autocheckpoint"} {
		setting := Setting{Name: name}
		if err := s.write.QueryRowContext(ctx, `PRAGMA `+name).Scan(&setting.Value); err != nil {
			return Inspection{}, err
		}
		switch name {
		case "journal_mode":
			setting.Wrong = setting.Value != "wal"
		case "synchronous":
			setting.Wrong = setting.Value != "2" && setting.Value != "3"
			setting.Value = sqliteSynchronous[setting.Value]
		}
		inspection.Settings = append(inspection.Settings, setting)
	}
	return inspection, nil
}

// postgresRight are the values of the settings that matter for keeping an acknowledged delete.
var postgresRight = map[string][]string{
	"fsync":                 {"on"},
	"full_page_writes":      {"on"},
	"in_recovery":           {"false"},
	"synchronous_commit":    {"on", "remote_write", "remote_apply"},
	"transaction_read_only": {"off"},
}

func (s *Store) inspectPostgres(ctx context.Context) (inspection Inspection, err error) {
	// The clock's reading lies between the moments before and after; half of what lies between them is the error.
	var now time.Time
	before := time.Now()
	if err := s.write.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return Inspection{}, err
	}
	inspection.Ahead = now.Sub(before.Add(time.Since(before) / 2))

	rows, err := s.write.QueryContext(ctx, `SELECT 'in_recovery', pg_is_in_recovery()::text `+
		`UNION ALL SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'max_connections', `+
		`'server_version', 'statement_timeout', 'synchronous_commit', 'synchronous_standby_names', 'transaction_read_only') ORDER BY 1`)
	if err != nil {
		return Inspection{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var setting Setting
		if err := rows.Scan(&setting.Name, &setting.Value); err != nil {
			return Inspection{}, err
		}
		if setting.Name == "server_version" {
			inspection.Engine = "PostgreSQL " + setting.Value
			continue
		}
		right, matters := postgresRight[setting.Name]
		setting.Wrong = matters && !slices.Contains(right, setting.Value)
		inspection.Settings = append(inspection.Settings, setting)
	}
	return inspection, rows.Err()
}
