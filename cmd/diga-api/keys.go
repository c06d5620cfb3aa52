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

// Run creates the key.
func (c *keysCreateCommand) Run(ctx context.Context, std streams) error {
	var settings wrongSettings
	key, secret := apikey.New(settings.uuid("project", c.Project), settings.uuid("creator", c.Creator), c.Name)
	key.Restricted, key.Permissions = len(c.Permission) > 0, c.Permission
	if strings.TrimSpace(c.Name) == "" {
		settings.wrong("name", "is missing: name the key after its client")
	}
	for _, permission := range c.Permission {
		if !permissionName.MatchString(permission) {
			settings.wrong("permission", "is not RESOURCE.ACTION, such as api_keys.delete")
		}
	}
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

	keys, err := c.open(ctx, store.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer keys.Close()
	if err := keys.Create(ctx, key, secret.Hash()); err != nil {
		return err
	}
	if c.JSON {
		printed := printedKeyOf(key)
		printed.Key = secret.Reveal()
		return printJSON(std.out, printed)
	}
	fmt.Fprintf(std.out, "id       %s\nproject  %s\nkey      %s\n\nThe key is not shown again; only its hash is stored.\n",
		key.ID, key.ProjectID, secret.Reveal())
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
	keys, err := c.open(ctx, store.Options{})
	if err != nil {
		return err
	}
	defer keys.Close()
	if c.JSON {
		for key, err := range keys.List(ctx, filter) {
			if err == nil {
				err = printJSON(std.out, printedKeyOf(key))
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
}

type printedDeletion struct {
	Date      time.Time    `json:"date"`
	By        apitype.UUID `json:"by"`
	RequestID string       `json:"request_id"`
}

func printedKeyOf(key apikey.Key) printedKey {
	printed := printedKey{
		ID:             key.ID,
		ProjectID:      key.ProjectID,
		Name:           key.Name,
		CreatedDate:    key.CreatedAt.UTC(),
		LastFourDigits: key.LastFourDigits,
		CreatorID:      key.CreatorID,
		Restricted:     key.Restricted,
		Permissions:    key.Permissions,
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
