package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/diga-io/diga-api/server/apikey"
	"github.com/diga-io/diga-api/server/store"
)

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

func (c *keysListCommand) filter(settings *invalidSettings) store.Filter {
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
	var settings invalidSettings
	filter := c.filter(&settings)
	keys, err := c.open(ctx, &settings, store.Options{ReadOnly: true})
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
	fmt.Fprintf(std.err, "%s in %s%s\n", counted(count, "key"), keys, remark)
	return nil
}

// table returns the table of row's cells.
func (c *keysListCommand) table(std streams, env environment) *table {
	columns := []column{
		{title: "ID"}, {title: "NAME", least: 10, rank: 1}, {title: "KEY", rank: 2}, {title: "PROJECT", least: 9, rank: 5},
		{title: "CREATED", rank: 8}, {title: "EXPIRES", rank: 4}, {title: "PERMISSIONS", least: 11, rank: 7},
	}
	if c.withTombstones() {
		columns = append(columns, column{title: "DELETED", rank: 3}, column{title: "BY", least: 12, rank: 6})
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
