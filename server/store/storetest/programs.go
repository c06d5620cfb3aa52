package storetest

import (
	"bytes"
	"context"
	"database/sql"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/diga-io/diga-api/server/store"
)

// Statement is a statement that programs send to the tables of the keys.
type Statement struct {
	First int64  // the Head of the first program that sent it
	Last  int64  // of the last one; 0: this program sends it
	Only  string // "sqlite" or "postgres"; "": both
	SQL   string
	Args  []any // hashes are {"hex": "..."}
	Rows  int64 // that it affects or returns, after the statements before it
}

// statements.json is never rewritten: a program that sent a statement may still be running when a later migration comes.
//
//go:embed testdata/statements.json
var statements []byte

// Statements returns the statements of the program with that Head, in an order in which they can be executed.
func Statements(engine string, program int64) ([]Statement, error) {
	decoder := json.NewDecoder(bytes.NewReader(statements))
	decoder.UseNumber()
	decoder.DisallowUnknownFields()
	var all, sent []Statement
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	for _, statement := range all {
		if statement.First <= program && (statement.Last == 0 || program <= statement.Last) &&
			(statement.Only == "" || statement.Only == engine) {
			sent = append(sent, statement)
		}
	}
	return sent, nil
}

// RunStatements executes the statements of the program with that Head in a transaction, which it rolls back.
func RunStatements(ctx context.Context, db *sql.DB, engine string, program int64) error {
	sent, err := Statements(engine, program)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for _, statement := range sent {
		rows, err := statement.run(ctx, tx)
		if err == nil && rows != statement.Rows {
			err = fmt.Errorf("%d rows, want %d", rows, statement.Rows)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", statement.SQL, err)
		}
	}
	return nil
}

// args returns the arguments as database/sql takes them.
func (s Statement) args() (args []any, err error) {
	args = make([]any, len(s.Args))
	for i, arg := range s.Args {
		switch arg := arg.(type) {
		case json.Number:
			args[i], err = arg.Int64()
		case map[string]any:
			args[i], err = hex.DecodeString(fmt.Sprint(arg["hex"]))
		default:
			args[i] = arg
		}
		if err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (s Statement) run(ctx context.Context, tx *sql.Tx) (count int64, err error) {
	args, err := s.args()
	if err != nil {
		return 0, err
	}
	if s.SQL[:len("SELECT")] != "SELECT" {
		result, err := tx.ExecContext(ctx, s.SQL, args...)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	rows, err := tx.QueryContext(ctx, s.SQL, args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		count++
	}
	return count, rows.Err()
}

// testPlans checks that the lookups of each request use an index.
func testPlans(t *testing.T, url string) {
	Open(t, url)
	engine, db := engineOf(url), Connect(t, url)
	rows := map[string]int{"sqlite": 100, "postgres": 10_000}[engine] // PostgreSQL scans a small table
	FillTombstones(t, url, rows)
	Fill(t, url, rows)
	explain, scan := `EXPLAIN QUERY PLAN `, "SCAN api_keys"
	if engine == "postgres" {
		explain, scan = `EXPLAIN `, "Seq Scan"
	}
	sent, err := Statements(engine, store.Head)
	if err != nil {
		t.Fatal(err)
	}
	for column, index := range map[string]string{
		"secret_hash":         map[string]string{"sqlite": "sqlite_autoindex_api_keys_2", "postgres": "api_keys_secret_hash_key"}[engine],
		"deleted_fingerprint": "api_keys_by_deleted_fingerprint",
	} {
		i := slices.IndexFunc(sent, func(s Statement) bool { return strings.Contains(s.SQL, "FROM api_keys WHERE "+column+" = $1") })
		if i < 0 {
			t.Fatalf("no statement looks up by %s", column)
		}
		plan, err := sent[i].plan(t.Context(), db, explain)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(plan, index) || strings.Contains(plan, scan) {
			t.Errorf("%s\ndoes not use the index %s:\n%s", sent[i].SQL, index, plan)
		}
	}
}

func (s Statement) plan(ctx context.Context, db *sql.DB, explain string) (string, error) {
	args, err := s.args()
	if err != nil {
		return "", err
	}
	rows, err := db.QueryContext(ctx, explain+s.SQL, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return "", err
		}
		fmt.Fprintln(&plan, *values[len(values)-1].(*any)) // the text is in the last column
	}
	return plan.String(), rows.Err()
}
