/* mailweir quarantine: what was set aside, looked at, searched, sent on or deleted. Works on the
 * folder of the configuration, whether the gateway runs or not.
 *
 * Exit status: 0; 1 when something was refused or not found; 75 when something was deferred; 64
 * usage; 74 when a file can not be changed; 78 configuration. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "commands/commands.h"
#include "commands/quarantine-entry.h"
#include "commands/quarantine-release.h"
#include "config/value.h"
#include "supervisor/identity.h"
#include "supervisor/paths.h"

typedef struct
{
  gchar *config, *older, *filter;
  gboolean json, raw;
  gchar **words; /* behind the subcommand: search words, or ids */
} Options;

typedef struct
{
  const Options *options;
  const Config *config;
  GPtrArray *entries;  /* of QuarantineEntry */
  GHashTable *senders; /* of quarantine_senders_new(), for release; NULL */
} Quarantine;

/* ---- Which ones ---- */

/* `older` is a moment as text; texts of moments sort as moments do. */
static gboolean
is_meant (const QuarantineEntry *entry, const Options *options, const gchar *older)
{
  if (options->filter != NULL
      && !g_str_equal (quarantine_entry_text (entry, "filter"), options->filter))
    return FALSE;
  return older == NULL || strcmp (quarantine_entry_text (entry, "time"), older) < 0;
}

/* Caller frees; NULL without `--older`. */
static gchar *
moment_before (const gchar *duration)
{
  gint64 milliseconds = 0;
  g_autoptr (GDateTime) then = NULL;

  if (duration == NULL || !value_parse_duration (duration, &milliseconds))
    return NULL;
  then = g_date_time_new_from_unix_utc (g_get_real_time () / G_USEC_PER_SEC - milliseconds / 1000);
  return then == NULL ? g_strdup ("") : g_date_time_format (then, "%Y-%m-%dT%H:%M:%SZ");
}

static gboolean
has_all_words (const QuarantineEntry *entry, gchar *const *words)
{
  for (; words != NULL && *words != NULL; words++)
    if (!quarantine_entry_has (entry, *words))
      return FALSE;
  return TRUE;
}

static QuarantineEntry *
find (const Quarantine *quarantine, const gchar *id)
{
  for (guint i = 0; i < quarantine->entries->len; i++)
    if (g_str_equal (quarantine_entry_text (quarantine->entries->pdata[i], "id"), id))
      return quarantine->entries->pdata[i];
  fprintf (stderr, "mailweir quarantine: no message \"%s\"\n", id);
  return NULL;
}

/* ---- Printing: what is printed came from strangers ---- */

static void
print_safe (const gchar *before, const gchar *text, const gchar *behind)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, -1);

  fputs (before, stdout);
  for (const gchar *at = valid; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (g_unichar_isprint (c))
        fwrite (at, 1, (gsize) (g_utf8_next_char (at) - at), stdout);
      else
        printf ("\\u%04x", c);
    }
  fputs (behind, stdout);
}

/* Inside of JSON's strings, where alone such characters stand, escapes mean the same. */
static void
print_json (JsonNode *root)
{
  g_autofree gchar *text = json_to_string (root, TRUE);

  for (const gchar *at = text; *at != '\0'; at = g_utf8_next_char (at))
    {
      gunichar c = g_utf8_get_char (at);

      if (c == '\n' || g_unichar_isprint (c))
        fwrite (at, 1, (gsize) (g_utf8_next_char (at) - at), stdout);
      else if (c < 0x10000)
        printf ("\\u%04x", c);
      else
        printf ("\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    }
  putchar ('\n');
}

static void
print_line (const QuarantineEntry *entry)
{
  const BasePath *first = entry->recipients->len == 0 ? NULL : entry->recipients->pdata[0];

  print_safe ("", quarantine_entry_text (entry, "id"), "  ");
  print_safe ("", quarantine_entry_text (entry, "time"), "  ");
  print_safe ("", quarantine_entry_text (entry, "filter"), "  ");
  print_safe ("<", entry->sender->address, "> ");
  print_safe ("<", first == NULL ? "" : first->address, ">");
  if (entry->recipients->len > 1)
    printf (" and %u more", entry->recipients->len - 1);
  print_safe ("\n    ", quarantine_entry_text (entry, "reason"), "\n");
  if (entry->subject != NULL)
    print_safe ("    Subject: ", entry->subject, "\n");
}

static gint
list (const Quarantine *quarantine)
{
  g_autofree gchar *older = moment_before (quarantine->options->older);
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_ARRAY);
  JsonArray *found = json_array_new ();

  json_node_take_array (root, found);
  for (guint i = 0; i < quarantine->entries->len; i++)
    {
      const QuarantineEntry *entry = quarantine->entries->pdata[i];

      if (!is_meant (entry, quarantine->options, older)
          || !has_all_words (entry, quarantine->options->words))
        continue;
      json_array_add_element (found, json_node_copy (entry->root));
      if (!quarantine->options->json)
        print_line (entry);
    }
  if (quarantine->options->json)
    print_json (root);
  return EX_OK;
}

static void
print_message (const QuarantineEntry *entry, gboolean raw)
{
  g_autofree gchar *text = NULL;
  gsize length = 0;

  if (entry->message_path == NULL
      || !g_file_get_contents (entry->message_path, &text, &length, NULL))
    {
      printf ("(the message is gone)\n");
      return;
    }
  if (raw)
    {
      fwrite (text, 1, length, stdout);
      return;
    }
  for (gchar *at = text; at < text + length && *at != '\n';)
    {
      gchar *end = strchrnul (at, '\n');
      g_autofree gchar *line = g_strndup (at, (gsize) (end - at));

      print_safe ("", line, "\n");
      at = *end == '\n' ? end + 1 : end;
    }
}

/* The facts and the header; or the message alone, as it stands there. */
static gint
show (const Quarantine *quarantine)
{
  gint status = EX_OK;

  for (gchar **id = quarantine->options->words; *id != NULL; id++)
    {
      const QuarantineEntry *entry = find (quarantine, *id);

      if (entry == NULL)
        status = 1;
      else if (quarantine->options->raw)
        print_message (entry, TRUE);
      else
        {
          print_json (entry->root);
          if (!quarantine->options->json)
            print_message (entry, FALSE);
        }
    }
  return status;
}

/* ---- Changing ---- */

/* The worse of two; what must be repeated is less bad than what was refused. */
static gint
worse (gint a, gint b)
{
  static const gint order[] = { EX_OK, EX_TEMPFAIL, 1, EX_IOERR };
  guint i = G_N_ELEMENTS (order);

  while (--i > 0)
    if (order[i] == a || order[i] == b)
      break;
  return order[i];
}

static gint
report (const GError *error)
{
  fprintf (stderr, "mailweir quarantine: %s\n", error->message);
  return EX_IOERR;
}

static gint
release (const Quarantine *quarantine)
{
  static const gint statuses[] = {
    [QUARANTINE_RELEASED] = EX_OK, [QUARANTINE_DEFERRED] = EX_TEMPFAIL, [QUARANTINE_REFUSED] = 1
  };
  gint status = EX_OK;

  for (gchar **id = quarantine->options->words; *id != NULL; id++)
    {
      QuarantineEntry *entry = find (quarantine, *id);
      g_autoptr (GError) error = NULL;

      status = worse (status, entry == NULL
                                  ? 1
                                  : statuses[quarantine_release (entry, quarantine->config,
                                                                 quarantine->senders, &error)]);
      if (error != NULL)
        status = worse (status, report (error));
    }
  return status;
}

static gint
delete_one (QuarantineEntry *entry)
{
  g_autoptr (GError) error = NULL;
  gint fd = entry->message_path == NULL ? -1 : quarantine_entry_lock (entry, &error);

  if (error == NULL)
    quarantine_entry_delete (entry, &error);
  if (fd >= 0)
    close (fd);
  if (error != NULL)
    return report (error);
  print_safe ("", quarantine_entry_text (entry, "id"), " deleted\n");
  return EX_OK;
}

static gint delete (const Quarantine *quarantine)
{
  g_autofree gchar *older = moment_before (quarantine->options->older);
  gint status = EX_OK;

  for (gchar **id = quarantine->options->words; *id != NULL; id++)
    {
      QuarantineEntry *entry = find (quarantine, *id);

      status = worse (status, entry == NULL ? 1 : delete_one (entry));
    }
  for (guint i = 0; older != NULL && i < quarantine->entries->len; i++)
    if (is_meant (quarantine->entries->pdata[i], quarantine->options, older))
      status = worse (status, delete_one (quarantine->entries->pdata[i]));
  return status;
}

/* ---- The command line ---- */

typedef struct
{
  const gchar *name;
  gint (*run) (const Quarantine *quarantine);
  gboolean wants_ids;
} Subcommand;

static const Subcommand subcommands[] = {
  { "list", list, FALSE },
  { "show", show, TRUE },
  { "release", release, TRUE },
  { "delete", delete, TRUE },
};

static const Subcommand *
find_subcommand (const gchar *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (subcommands); i++)
    if (g_str_equal (subcommands[i].name, name))
      return &subcommands[i];
  return NULL;
}

/* Files that are made belong to whom the gateway's belong. FALSE: errors were added. */
static gboolean
become_owner (const Config *config, ConfigErrors *errors)
{
  SupervisorIdentity identity = { 0 };
  gboolean done = supervisor_identity_resolve (&identity, config, geteuid (),
                                               SUPERVISOR_IDENTITY_CHECK, errors);

  if (done && geteuid () == 0 && !supervisor_identity_assume (&identity))
    {
      config_errors_add (errors, &config->tree->place, "can not become the user \"%s\"",
                         identity.name);
      done = FALSE;
    }
  supervisor_identity_clear (&identity);
  return done;
}

static gint
run (const Subcommand *subcommand, const Options *options)
{
  g_autoptr (ConfigSources) sources = config_sources_new_files ();
  g_autoptr (ConfigErrors) errors = config_errors_new ();
  const gchar *file = options->config != NULL ? options->config : supervisor_default_config ();
  g_autoptr (Config) config = config_load (sources, file, errors);
  Quarantine quarantine = { .options = options, .config = config };
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GHashTable) senders = NULL;
  g_autoptr (GError) error = NULL;

  if (config != NULL && config->quarantine == NULL)
    config_errors_add (errors, &config->tree->place, "the configuration has no \"quarantine\"");
  /* Before root is given up: keys and passwords may be root's alone. */
  if (config != NULL && subcommand->run == release)
    quarantine.senders = senders = quarantine_senders_new (config, sources);
  if (config == NULL || config->quarantine == NULL || !become_owner (config, errors))
    {
      g_autofree gchar *text = config_errors_to_string (errors);

      fputs (text, stderr);
      return EX_CONFIG;
    }
  entries = quarantine_entries_read (config->quarantine, &error);
  if (entries == NULL)
    return report (error);
  quarantine.entries = entries;
  return subcommand->run (&quarantine);
}

static gboolean
check (const Subcommand *subcommand, const Options *options, GError **error)
{
  gint64 ignored;
  gboolean has_ids = options->words != NULL && options->words[0] != NULL;

  if (options->older != NULL && !value_parse_duration (options->older, &ignored))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "--older is a duration such as 30d, not \"%s\"", options->older);
  else if (subcommand->wants_ids && !has_ids
           && (options->older == NULL || subcommand->run != delete))
    g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "%s: name the messages by their id", subcommand->name);
  else
    return TRUE;
  return FALSE;
}

static gint
parse_and_run (int argc, char **argv, Options *options)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config, "Use this configuration", "FILE" },
    { "filter", 0, 0, G_OPTION_ARG_STRING, &options->filter, "Only what this filter has set aside",
      "NAME" },
    { "older", 0, 0, G_OPTION_ARG_STRING, &options->older, "Only what is older", "DURATION" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print JSON", NULL },
    { "raw", 0, 0, G_OPTION_ARG_NONE, &options->raw, "show: print the message, and nothing else",
      NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context
      = g_option_context_new ("list [WORD…] | show ID… | release ID… | delete ID… - look after "
                              "messages that were set aside");
  g_autoptr (GError) error = NULL;
  const Subcommand *subcommand = NULL;
  gint status = EX_USAGE;

  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, &argc, &argv, &error) && argc < 2)
    g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                 "list, show, release or delete is expected");
  if (error == NULL)
    {
      subcommand = find_subcommand (argv[1]);
      options->words = g_strdupv (argv + 2);
      if (subcommand == NULL)
        g_set_error (&error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                     "list, show, release or delete is expected, not \"%s\"", argv[1]);
    }
  if (error == NULL && check (subcommand, options, &error))
    status = run (subcommand, options);
  if (error != NULL)
    fprintf (stderr, "mailweir quarantine: %s\n", error->message);
  return status;
}

int
command_quarantine (int argc, char **argv)
{
  Options options = { NULL };
  gint status = parse_and_run (argc, argv, &options);

  g_free (options.config);
  g_free (options.older);
  g_free (options.filter);
  g_strfreev (options.words);
  return status;
}
