package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/diga-io/diga-api/internal/levenshtein"
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
func (c *keysCreateCommand) checkPermissions(settings *invalidSettings) (unchecked []string) {
	for _, permission := range c.Permission {
		switch {
		case permission == apikey.PermissionDelete:
		case levenshtein.Distance(strings.ToLower(permission), apikey.PermissionDelete) <= 2:
			settings.reject("permission", "is unknown: did you mean "+apikey.PermissionDelete+"?")
		case !permissionName.MatchString(permission):
			settings.reject("permission", "is not RESOURCE.ACTION, such as "+apikey.PermissionDelete)
		default:
			unchecked = append(unchecked, permission)
		}
	}
	return unchecked
}

// Run creates the key. It does not create a store, because a key in a new store would work nowhere.
func (c *keysCreateCommand) Run(ctx context.Context, std streams) error {
	var settings invalidSettings
	key, secret := apikey.New(settings.uuid("project", c.Project), settings.uuid("creator", c.Creator), c.Name)
	key.Restricted, key.Permissions = len(c.Permission) > 0, c.Permission
	if strings.TrimSpace(c.Name) == "" {
		settings.reject("name", "is missing: name the key after its client")
	}
	unchecked := c.checkPermissions(&settings)
	if c.ExpiresAt != "" {
		valid := len(settings)
		key.ExpiresAt = settings.time("expires-at", c.ExpiresAt)
		if len(settings) == valid && key.Expired(key.CreatedAt) {
			settings.reject("expires-at", "is in the past: the key would never work; leave it out for a key that does not expire")
		}
	}
	keys, err := c.open(ctx, &settings, store.Options{})
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
