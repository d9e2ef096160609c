/* The filter "header_checks": Postfix's header_checks, mime_header_checks, nested_header_checks and
 * body_checks, from the files that Postfix has. A table that can not be read keeps the
 * configuration from loading; a rule whose matching goes over its limit fails the filter. */
#include <errno.h>
#include <string.h>

#include "checks.h"

#define OWN_HEADER                                                                                 \
  "$header_checks" /* "the same as header-checks", as Postfix's defaults say it                    \
                    */

typedef struct
{
  const char *const *lists[WALK_KINDS]; /* "pcre:/path", by what they are asked about */
  guint64 body_size;
  guint64 header_size;
  gint64 match_limit;
  Checks *checks;
} Config;

static const WeirOption options[] = {
  { "header-checks", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, lists[WALK_HEADER]), NULL,
    "Tables (\"pcre:/path\", \"regexp:/path\") for the header fields of the message." },
  { "mime-header-checks", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, lists[WALK_MIME]),
    OWN_HEADER, "Tables for MIME fields, and for all fields of parts; [] for none." },
  { "nested-header-checks", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, lists[WALK_NESTED]),
    OWN_HEADER, "Tables for the header fields of attached messages; [] for none." },
  { "body-checks", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, lists[WALK_BODY]), NULL,
    "Tables for each line of the body, encoded as it is; [] for none." },
  { "body-checks-size-limit", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, body_size), "51200",
    "How much of each part's body is looked at." },
  { "header-size-limit", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, header_size), "102400",
    "How much of each header field is looked at.", .minimum = 1000, .maximum = 10 * 1024 * 1024 },
  { "match-limit", WEIR_OPTION_INTEGER, G_STRUCT_OFFSET (Config, match_limit), "1000000",
    "How often PCRE may backtrack for one pattern and line before the filter has failed.",
    .minimum = 1000, .maximum = 100000000 },
  { NULL },
};

static const char *const option_names[WALK_KINDS]
    = { "header-checks", "mime-header-checks", "nested-header-checks", "body-checks" };

/* ---- Loading ---- */

static gboolean
split_name (const char *name, PatternKind *kind, const char **path, GError **error)
{
  if (g_str_has_prefix (name, "pcre:"))
    *kind = PATTERN_PCRE;
  else if (g_str_has_prefix (name, "regexp:"))
    *kind = PATTERN_REGEXP;
  else
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                   "\"%s\" is no table that can be read here: there are pcre:/path and "
                   "regexp:/path",
                   name);
      return FALSE;
    }
  *path = strchr (name, ':') + 1;
  if (!g_path_is_absolute (*path))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "\"%s\": a table needs its whole path",
                 name);
  return g_path_is_absolute (*path);
}

static GMappedFile *
open_table (const char *path, GError **error)
{
  GMappedFile *file = NULL;

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "the table %s is a directory", path);
  else
    file = g_mapped_file_new (path, FALSE, error);
  if (file == NULL || g_mapped_file_get_length (file) <= TABLE_MAX_SIZE)
    return file;
  g_mapped_file_unref (file);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s has more than %u octets", path,
               TABLE_MAX_SIZE);
  return NULL;
}

/* NULL, and what is wrong in `problems`. */
static Table *
read_table (const char *name, gboolean body, GPtrArray *problems)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GError) error = NULL;
  PatternKind kind;
  const char *path;

  if (split_name (name, &kind, &path, &error))
    file = open_table (path, &error);
  if (file != NULL)
    return table_new (path, g_mapped_file_get_contents (file), g_mapped_file_get_length (file),
                      kind, body, problems);
  g_ptr_array_add (problems, g_strdup (error->message));
  return NULL;
}

typedef struct
{
  const Config *config;
  GPtrArray *problems; /* of the option at hand */
  gboolean header_bad; /* header-checks have some: "$header_checks" does not tell them again */
} Reading;

/* Reads the tables that a list names, several in one string too, as Postfix has it. */
static void
read_tables (Reading *reading, WalkKind kind, const char *text, GPtrArray *tables)
{
  g_auto (GStrv) names = g_strsplit_set (text, ", \t", -1);

  for (char **name = names; *name != NULL; name++)
    {
      Table *table;
      const char *const *own = reading->config->lists[WALK_HEADER];

      if (**name == '\0')
        continue;
      if (kind != WALK_HEADER
          && (strcmp (*name, OWN_HEADER) == 0 || strcmp (*name, "${header_checks}") == 0))
        {
          for (; *own != NULL && !reading->header_bad; own++)
            read_tables (reading, WALK_HEADER, *own, tables);
          continue;
        }
      table = read_table (*name, kind == WALK_BODY, reading->problems);
      if (table != NULL)
        g_ptr_array_add (tables, table);
    }
}

static void
checks_free (Checks *checks)
{
  for (guint kind = 0; kind < WALK_KINDS; kind++)
    g_ptr_array_unref (checks->tables[kind]);
  g_free (checks);
}

/* What `load` has made stays until the process ends: it has no counterpart that could free it. */
static void
keep (Checks *checks)
{
  static GPtrArray *all;

  if (all == NULL)
    all = g_ptr_array_new ();
  g_ptr_array_add (all, checks);
}

static Checks *
make_checks (WeirLoad *load, const Config *config, GError **error)
{
  Checks *checks = g_new0 (Checks, 1);
  gboolean fine = TRUE;
  Reading reading = { .config = config };

  checks->body_size = (gsize) config->body_size;
  checks->header_size = (gsize) config->header_size;
  for (guint kind = 0; kind < WALK_KINDS; kind++)
    checks->tables[kind] = g_ptr_array_new_with_free_func ((GDestroyNotify) table_free);
  for (guint kind = 0; kind < WALK_KINDS; kind++)
    {
      g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);

      reading.problems = problems;
      for (const char *const *text = config->lists[kind]; *text != NULL; text++)
        read_tables (&reading, kind, *text, checks->tables[kind]);
      for (guint i = 0; i < problems->len; i++)
        weir_load_error (load, error, option_names[kind], "%s", (char *) problems->pdata[i]);
      fine = fine && problems->len == 0;
      reading.header_bad = reading.header_bad || (kind == WALK_HEADER && problems->len > 0);
    }
  if (fine)
    return checks;
  checks_free (checks);
  return NULL;
}

static gboolean
load_tables (WeirLoad *load, gpointer data, GError **error)
{
  Config *config = data;

  if (*config->lists[WALK_HEADER] == NULL && *config->lists[WALK_BODY] == NULL)
    {
      weir_load_error (load, error, NULL, "neither header-checks nor body-checks names a table");
      return FALSE;
    }
  config->checks = make_checks (load, config, error);
  if (config->checks == NULL)
    return FALSE;
  keep (config->checks);
  weir_load_hooks (load, checks_need_body (config->checks) ? WEIR_HOOK_END_OF_MESSAGE
                                                           : WEIR_HOOK_END_OF_HEADERS);
  return TRUE;
}

static gboolean
start (gpointer data, GError **error)
{
  Config *config = data;

  config->checks->matcher = pattern_matcher_new ((guint) config->match_limit);
  return TRUE;
}

static void
stop (gpointer data)
{
  Config *config = data;

  g_clear_pointer (&config->checks->matcher, pattern_matcher_free);
}

/* ---- Hooks: one of the two ---- */

static WeirVerdict
end_of_headers (WeirContext *context)
{
  const Config *config = weir_config (context);

  return checks_run (config->checks, context, FALSE);
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);

  return checks_run (config->checks, context, TRUE);
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "header_checks",
  .summary = "runs Postfix's header_checks and body_checks",
  .edits = WEIR_EDIT_RECIPIENTS | WEIR_EDIT_HEADERS | WEIR_EDIT_BODY,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_tables,
  .start = start,
  .stop = stop,
  .end_of_headers = end_of_headers,
  .end_of_message = end_of_message,
};
