package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"text/tabwriter"
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
		var err error
		if key.ExpiresAt, err = time.Parse(time.RFC3339, c.ExpiresAt); err != nil {
			settings.wrong("expires-at", "is not a time such as 2030-01-31T12:00:00Z")
		} else if key.Expired(key.CreatedAt) {
			settings.wrong("expires-at", "is in the past")
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
	Project string `placeholder:"UUID" help:"Only the keys of this project."`
	Deleted bool   `help:"Include deleted keys, with the key that deleted them."`
	JSON    bool   `name:"json" help:"Print one JSON object per line."`
}

// Run lists the keys, oldest first.
func (c *keysListCommand) Run(ctx context.Context, std streams) error {
	var settings wrongSettings
	filter := store.Filter{Deleted: c.Deleted}
	if c.Project != "" {
		project := settings.uuid("project", c.Project)
		filter.Project = &project
	}
	c.check(&settings)
	if err := settings.err(); err != nil {
		return err
	}
	keys, err := c.openExisting(ctx, "database-url", store.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	fmt.Fprintf(std.err, "store %s\n", keys)
	if c.JSON {
		for key, err := range keys.List(ctx, filter) {
			if err == nil {
				err = printJSON(std.out, printedKeyOf(key, keys))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tPROJECT\tNAME\tKEY\tCREATED\tEXPIRES\tPERMISSIONS\tDELETED")
	for key, err := range keys.List(ctx, filter) {
		if err != nil {
			return err
		}
		permissions, deleted := "all", "-"
		if key.Restricted {
			permissions = strings.Join(key.Permissions, ",")
		}
		if key.Deleted != nil {
			deleted = fmt.Sprintf("%s by %s, request %q", timeText(key.Deleted.At), key.Deleted.By, key.Deleted.RequestID)
		}
		fmt.Fprintf(table, "%s\t%s\t%q\t…%s\t%s\t%s\t%s\t%s\n", key.ID, key.ProjectID, key.Name, key.LastFourDigits,
			timeText(key.CreatedAt), timeText(key.ExpiresAt), permissions, deleted)
	}
	return table.Flush()
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
	Store          string           `json:"store"` // the URL without secrets
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
