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

static Table *
read_table (const char *name, gboolean body, GError **error)
{
  g_autoptr (GMappedFile) file = NULL;
  g_autoptr (GError) problem = NULL;
  PatternKind kind;
  const char *path;

  if (!split_name (name, &kind, &path, error))
    return NULL;
  file = g_file_test (path, G_FILE_TEST_IS_DIR) ? NULL : g_mapped_file_new (path, FALSE, &problem);
  if (file == NULL)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s",
                 problem != NULL ? problem->message : "the table is a directory");
  else if (g_mapped_file_get_length (file) > TABLE_MAX_SIZE)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s has more than %u octets", path,
                 TABLE_MAX_SIZE);
  else
    return table_new (path, g_mapped_file_get_contents (file), g_mapped_file_get_length (file),
                      kind, body, error);
  return NULL;
}

/* Reads the tables that a list names, several in one string too, as Postfix has it. */
static gboolean
read_tables (const Config *config, WalkKind kind, const char *text, GPtrArray *tables,
             GError **error)
{
  g_auto (GStrv) names = g_strsplit_set (text, ", \t", -1);

  for (char **name = names; *name != NULL; name++)
    {
      Table *table;
      const char *const *own = config->lists[WALK_HEADER];

      if (**name == '\0')
        continue;
      if (kind != WALK_HEADER
          && (strcmp (*name, OWN_HEADER) == 0 || strcmp (*name, "${header_checks}") == 0))
        {
          for (; *own != NULL; own++)
            if (!read_tables (config, WALK_HEADER, *own, tables, error))
              return FALSE;
          continue;
        }
      table = read_table (*name, kind == WALK_BODY, error);
      if (table == NULL)
        return FALSE;
      g_ptr_array_add (tables, table);
    }
  return TRUE;
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
  g_autoptr (GError) problem = NULL;

  checks->body_size = (gsize) config->body_size;
  checks->header_size = (gsize) config->header_size;
  for (guint kind = 0; kind < WALK_KINDS; kind++)
    checks->tables[kind] = g_ptr_array_new_with_free_func ((GDestroyNotify) table_free);
  for (guint kind = 0; kind < WALK_KINDS && problem == NULL; kind++)
    for (const char *const *text = config->lists[kind]; *text != NULL && problem == NULL; text++)
      if (!read_tables (config, kind, *text, checks->tables[kind], &problem))
        weir_load_error (load, error, option_names[kind], "%s", problem->message);
  if (problem == NULL)
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
