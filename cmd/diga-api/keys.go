package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/diga-io/diga-api/gen/apitype"
	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

type keysCreateCommand struct {
	databaseFlags
	Project    string   `placeholder:"UUID" help:"The project of the key."`
	Name       string   `placeholder:"NAME" help:"The name of the key."`
	Creator    string   `placeholder:"UUID" default:"00000000-0000-0000-0000-000000000000" help:"The creator of the key."`
	Permission []string `placeholder:"P" help:"Restrict the key to this permission, such as api_keys.delete. Repeat for more."`
	ExpiresAt  string   `placeholder:"RFC3339" help:"When the key expires, such as 2030-01-31T12:00:00Z."`
	JSON       bool     `name:"json" help:"Print one JSON object."`
}

// permissionName matches a permission: a resource and an action.
var permissionName = regexp.MustCompile(`^[a-z0-9_]+\.[a-z0-9_]+$`)

// checkPermissions checks --permission. It returns the permissions that this server never asks for: another service of Diga
// may, so they are accepted.
func (c *keysCreateCommand) checkPermissions(settings *wrongSettings) (unchecked []string) {
	for _, permission := range c.Permission {
		switch {
		case permission == apikey.PermissionDelete:
		case editDistance(strings.ToLower(permission), apikey.PermissionDelete) <= 2:
			settings.wrong("permission", "is unknown: did you mean "+apikey.PermissionDelete+"?")
		case !permissionName.MatchString(permission):
			settings.wrong("permission", "is not RESOURCE.ACTION, such as "+apikey.PermissionDelete)
		default:
			unchecked = append(unchecked, permission)
		}
	}
	return unchecked
}

// editDistance returns the number of characters to insert, delete or replace to turn a into b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // of the matrix: the distances between a prefix of a and every prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// Run creates the key. It does not create a store, because a key in a new store would work nowhere.
func (c *keysCreateCommand) Run(ctx context.Context, std streams) error {
	var settings wrongSettings
	key, secret := apikey.New(settings.uuid("project", c.Project), settings.uuid("creator", c.Creator), c.Name)
	key.Restricted, key.Permissions = len(c.Permission) > 0, c.Permission
	if strings.TrimSpace(c.Name) == "" {
		settings.wrong("name", "is missing: name the key after its client")
	}
	unchecked := c.checkPermissions(&settings)
	if c.ExpiresAt != "" {
		valid := len(settings)
		key.ExpiresAt = settings.time("expires-at", c.ExpiresAt)
		if len(settings) == valid && key.Expired(key.CreatedAt) {
			settings.wrong("expires-at", "is in the past: the key would never work; leave it out for a key that does not expire")
		}
	}
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}

	keys, err := c.openExisting(ctx, "database-url", store.Options{})
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := keys.Create(ctx, key, secret.Hash()); err != nil {
		return err
	}
	if len(unchecked) > 0 {
		fmt.Fprintf(std.err, "diga-api: this server checks no permission but %s; stored as given: %s\n", apikey.PermissionDelete,
			strings.Join(unchecked, ", "))
	}
	return printSecret(std, c.JSON, keys, key, secret)
}

// printSecret prints a key together with its secret, the only time that it is shown.
func printSecret(std streams, asJSON bool, keys *store.Store, key apikey.Key, secret apikey.Secret) error {
	if asJSON {
		printed := printedKeyOf(key, keys)
		printed.Key = secret.Reveal()
		return printJSON(std.out, printed)
	}
	fmt.Fprintf(std.out, "store    %s\nproject  %s\nid       %s\nkey      %s\n\nThe key is not shown again; only its hash is stored.\n",
		keys, key.ProjectID, key.ID, secret.Reveal())
	return nil
}

type keysListCommand struct {
	databaseFlags
	Project       string `placeholder:"UUID" help:"Only the keys of this project."`
	Name          string `placeholder:"TEXT" help:"Only keys whose name contains this text."`
	ExpiresBefore string `placeholder:"RFC3339" help:"Only keys that expire, or have expired, before this time."`
	Deleted       bool   `help:"Include deleted keys."`
	DeletedAfter  string `placeholder:"RFC3339" help:"Only keys that were deleted at this time or later."`
	JSON          bool   `name:"json" help:"Print one JSON object per line."`
}

// Help implements kong.HelpProvider.
func (keysListCommand) Help() string {
	return "Prints a table to a terminal. Elsewhere, without --json, prints a line per key of these fields, separated by tabs, with - for none: " +
		"id, project, name, last four digits, created, expires, permissions, deleted, deleted by, request that deleted it."
}

func (c *keysListCommand) filter(settings *wrongSettings) store.Filter {
	filter := store.Filter{Name: c.Name, Deleted: c.Deleted}
	if c.Project != "" {
		project := settings.uuid("project", c.Project)
		filter.Project = &project
	}
	if c.ExpiresBefore != "" {
		filter.ExpiresBefore = settings.time("expires-before", c.ExpiresBefore)
	}
	if c.DeletedAfter != "" {
		filter.DeletedAfter = settings.time("deleted-after", c.DeletedAfter)
	}
	return filter
}

// Run lists the keys, oldest first. What it says about the list goes to standard error.
func (c *keysListCommand) Run(ctx context.Context, std streams, env environment) error {
	var settings wrongSettings
	filter := c.filter(&settings)
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}
	keys, err := c.openExisting(ctx, "database-url", store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	var people *table
	if !c.JSON && isTerminal(std.out) {
		people = c.table(std, env)
	}
	count, remark := 0, ""
	for key, err := range keys.List(ctx, filter) {
		switch {
		case err != nil:
		case c.JSON:
			err = printJSON(std.out, printedKeyOf(key, keys))
		case people != nil:
			people.add(c.row(key))
		default:
			_, err = fmt.Fprintln(std.out, strings.Join(fieldsOf(key), "\t"))
		}
		if err != nil {
			return err
		}
		count++
	}
	if people != nil && count > 0 {
		people.flush()
		if titles := people.leftOut(); len(titles) > 0 {
			remark = " (the terminal is too narrow for " + strings.Join(titles, ", ") + ")"
		}
	}
	noun := "keys"
	if count == 1 {
		noun = "key"
	}
	fmt.Fprintf(std.err, "%d %s in %s%s\n", count, noun, keys, remark)
	return nil
}

// table returns the table of row's cells.
func (c *keysListCommand) table(std streams, env environment) *table {
	columns := []column{
		{title: "ID"}, {title: "NAME", least: 10}, {title: "KEY"}, {title: "PROJECT", least: 9, rank: 1}, {title: "CREATED", rank: 4},
		{title: "EXPIRES"}, {title: "PERMISSIONS", least: 11, rank: 3},
	}
	if c.withTombstones() {
		columns = append(columns, column{title: "DELETED"}, column{title: "BY", least: 12, rank: 2})
	}
	return &table{out: std.out, width: terminalWidth(std.out), colour: hasColour(std.out, env), columns: columns}
}

func (c *keysListCommand) withTombstones() bool { return c.Deleted || c.DeletedAfter != "" }

// row returns the cells of a key in a table. Times are dates, because that is enough to find a key.
func (c *keysListCommand) row(key apikey.Key) []cell {
	date := func(t time.Time, none string) string {
		if t.IsZero() {
			return none
		}
		return t.UTC().Format(time.DateOnly)
	}
	style, expiry := "", ""
	switch {
	case key.Deleted != nil:
		style, expiry = faint, faint
	case key.Expired(time.Now()):
		expiry = red
	}
	row := []cell{
		{key.ID.String(), style}, {printable(key.Name), style}, {"…" + printable(key.LastFourDigits), style}, {key.ProjectID.String(), style},
		{date(key.CreatedAt, ""), style}, {date(key.ExpiresAt, "never"), expiry}, {permissionsText(key), style},
	}
	switch {
	case key.Deleted != nil:
		row = append(row, cell{date(key.Deleted.At, ""), style}, cell{deleterText(key), style})
	case c.withTombstones():
		row = append(row, cell{}, cell{})
	}
	return row
}

// fieldsOf returns the fields of a key for programs.
func fieldsOf(key apikey.Key) []string {
	fields := []string{
		key.ID.String(), key.ProjectID.String(), printable(key.Name), printable(key.LastFourDigits), timeText(key.CreatedAt),
		timeText(key.ExpiresAt), permissionsText(key), "-", "-", "-",
	}
	if key.Deleted != nil {
		copy(fields[7:], []string{timeText(key.Deleted.At), key.Deleted.By.String(), printable(key.Deleted.RequestID)})
	}
	for i, field := range fields {
		if field == "" {
			fields[i] = "-"
		}
	}
	return fields
}

func permissionsText(key apikey.Key) string {
	switch {
	case !key.Restricted:
		return "all"
	case len(key.Permissions) == 0:
		return "none"
	}
	return printable(strings.Join(key.Permissions, ","))
}

// printedKey is the --json output for a key: the fields of the publisher's documentation, and at creation the secret.
type printedKey struct {
	ID             apitype.UUID     `json:"id"`
	ProjectID      apitype.UUID     `json:"project_id"`
	Name           string           `json:"name"`
	CreatedDate    time.Time        `json:"created_date"`
	LastFourDigits string           `json:"last_four_digits"`
	CreatorID      apitype.UUID     `json:"creator_id"`
	Restricted     bool             `json:"restricted"`
	Permissions    []string         `json:"permissions,omitempty"`
	ExpiryDate     *time.Time       `json:"expiry_date,omitempty"`
	Key            string           `json:"key,omitempty"`
	Deleted        *printedDeletion `json:"deleted,omitempty"`
	DryRun         bool             `json:"dry_run,omitempty"` // nothing was changed
	Store          string           `json:"store"`             // the URL without secrets
}

type printedDeletion struct {
	Date      time.Time    `json:"date"`
	By        apitype.UUID `json:"by"`
	RequestID string       `json:"request_id"`
}

func printedKeyOf(key apikey.Key, keys *store.Store) printedKey {
	printed := printedKey{
		ID:             key.ID,
		ProjectID:      key.ProjectID,
		Name:           key.Name,
		CreatedDate:    key.CreatedAt.UTC(),
		LastFourDigits: key.LastFourDigits,
		CreatorID:      key.CreatorID,
		Restricted:     key.Restricted,
		Permissions:    key.Permissions,
		Store:          keys.String(),
	}
	if !key.ExpiresAt.IsZero() {
		expiry := key.ExpiresAt.UTC()
		printed.ExpiryDate = &expiry
	}
	if key.Deleted != nil {
		printed.Deleted = &printedDeletion{Date: key.Deleted.At.UTC(), By: key.Deleted.By, RequestID: key.Deleted.RequestID}
	}
	return printed
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
