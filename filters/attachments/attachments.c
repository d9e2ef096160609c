/* The filter "attachments": refuses, strips or sets aside parts by the extension of their name, by
 * their declared type, and by the type that libmagic sees in their bytes.
 *
 * What it cannot look at whole, or cannot cut out cleanly, it refuses: it fails closed. */
#include <mailweir/filter.h>

#include <errno.h>
#include <string.h>

#include "members.h"
#include "inspect.h"
#include "walk.h"
#include "common/options.h"

/* From what weighs least to what weighs most: the heaviest finding decides. */
typedef enum
{
  ACTION_PASS,
  ACTION_STRIP,
  ACTION_QUARANTINE,
  ACTION_REJECT,
  ACTION_COMMON /* what `action` says */
} Action;

typedef struct
{
  const char *const *deny;
  const char *const *deny_types;
  const char *const *allow;
  const char *const *allow_types;
  gboolean detect;
  gint action;
  gint
      actions[N_CONDITIONS]; /* as configured; those of lists and of what can not be read: unused */
  Limits limits;
  const char *reply;
  const char *note;
  guint conditions; /* of interest; of the configuration */
  Rules *rules;     /* of the worker */
  magic_t magic;    /* of the worker; NULL: no detection */
} Config;

static const char *const common_actions[] = { "reject", "strip", "quarantine", NULL };
static const Action common_values[] = { ACTION_REJECT, ACTION_STRIP, ACTION_QUARANTINE };
static const char *const actions[] = { "pass", "strip", "quarantine", "reject", "action", NULL };

#ifdef HAVE_LIBARCHIVE
#define IF_ARCHIVES(with, without) with
#else
#define IF_ARCHIVES(with, without) without
#endif

#define CONDITION(text, condition, fallback, about)                                                \
  {                                                                                                \
    text, WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, actions[condition]), fallback,              \
        about " (\"action\": as action says).", .choices = actions                                 \
  }
#define LIMIT(text, type, member, fallback, most, about)                                           \
  {                                                                                                \
    text, type, G_STRUCT_OFFSET (Config, limits.member), fallback, about, .minimum = 1,            \
                                                                          .maximum = most          \
  }

static const WeirOption options[] = {
  { "deny", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, deny), NULL,
    "Extensions of file names, with or without the dot; in archives too." },
  { "deny-types", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, deny_types), NULL,
    "MIME types, declared or detected; * stands for anything (\"application/x-*\")." },
  { "allow", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, allow), NULL,
    "Extensions that attachments, and files in archives, must have; empty: any." },
  { "allow-types", WEIR_OPTION_STRING_LIST, G_STRUCT_OFFSET (Config, allow_types), NULL,
    "MIME types that attachments must have, declared and detected; empty: any." },
  { "detect", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, detect), "true",
    "Hold the type that libmagic detects against the lists of types as well." },
  { "action", WEIR_OPTION_CHOICE, G_STRUCT_OFFSET (Config, action), "reject",
    "What to do with the message: refuse it, take the part out, or set the message aside.",
    .choices = common_actions },
  { "archives", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, limits.archives),
    IF_ARCHIVES ("true", "false"), "Look into archives, Office files and winmail.dat." },
  CONDITION ("encrypted", CONDITION_ENCRYPTED, "pass",
             "Archives with encrypted members, encrypted documents"),
  CONDITION ("encrypted-names", CONDITION_ENCRYPTED_NAMES, IF_ARCHIVES ("action", "pass"),
             "Archives that encrypt even their members' names"),
  CONDITION ("broken-archive", CONDITION_BROKEN_ARCHIVE, IF_ARCHIVES ("action", "pass"),
             "Archives that can not be read to their end"),
  CONDITION ("archive-limit", CONDITION_ARCHIVE_LIMIT, IF_ARCHIVES ("action", "pass"),
             "Archives over one of the limits below"),
  LIMIT ("archive-depth", WEIR_OPTION_INTEGER, depth, "4", 16,
         "Archives in archives; the outermost is 1."),
  LIMIT ("archive-members", WEIR_OPTION_INTEGER, members, "10000", 10000000,
         "Members of all archives of a message."),
  LIMIT ("archive-size", WEIR_OPTION_SIZE, size, "500M", G_MAXINT64,
         "Octets of all members of a message, unpacked."),
  LIMIT ("archive-ratio", WEIR_OPTION_INTEGER, ratio, "250", 1000000,
         "Octets unpacked for one that is packed, of an archive with more than 16M."),
  LIMIT ("archive-nested", WEIR_OPTION_SIZE, nested, "16M", 1 << 30,
         "Octets of an archive inside of an archive; it is held in memory."),
  LIMIT ("archive-time", WEIR_OPTION_DURATION, time, "5s", 3600000,
         "Time for all archives of a message."),
  CONDITION ("macros", CONDITION_MACROS, "pass", "Office files with macros"),
  CONDITION ("tnef", CONDITION_TNEF, "pass", "winmail.dat, whatever is in it"),
  CONDITION ("mismatch", CONDITION_MISMATCH, "pass",
             "A name or a declared type that the bytes belie"),
  CONDITION ("ambiguous", CONDITION_AMBIGUOUS, "pass",
             "A structure or a field that two programs read in two ways"),
  { "max-size", WEIR_OPTION_SIZE, G_STRUCT_OFFSET (Config, limits.attachment), "0",
    "Octets of one attachment, decoded; 0: any." },
  CONDITION ("too-large", CONDITION_TOO_LARGE, "action", "An attachment over max-size"),
  { "max-count", WEIR_OPTION_INTEGER, G_STRUCT_OFFSET (Config, limits.attachments), "0",
    "Attachments of a message; 0: any.", .maximum = 1000000 },
  CONDITION ("too-many", CONDITION_TOO_MANY, "action", "More attachments than max-count"),
  { "reply", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, reply), NULL,
    "The text of the refusal; %s stands for the attachment's name." },
  { "note", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, note),
    "The attachment \"%s\" was removed because it is not accepted here: %r.",
    "What stands in place of a part that was taken out; %s stands for its name, %r for why." },
  { NULL }
};

/* ---- Loading ---- */

static Action
action_of (const Config *config, Condition condition)
{
  Action common = common_values[config->action];
  Action own = (Action) config->actions[condition];

  if (condition == CONDITION_DENIED || condition == CONDITION_UNREADABLE || own == ACTION_COMMON)
    return common;
  return own;
}

/* Whether a condition is asked for that the default would not bring. */
static gboolean
is_looking (const Config *config)
{
  static const Condition asked[] = { CONDITION_ENCRYPTED, CONDITION_MACROS, CONDITION_MISMATCH,
                                     CONDITION_AMBIGUOUS, CONDITION_TNEF };

  for (guint i = 0; i < G_N_ELEMENTS (asked); i++)
    if (config->actions[asked[i]] != ACTION_PASS)
      return TRUE;
  return *config->deny != NULL || *config->deny_types != NULL || *config->allow != NULL
         || *config->allow_types != NULL || config->limits.attachment > 0
         || config->limits.attachments > 0;
}

static gboolean
check_conditions (WeirLoad *load, const Config *config, GError **error)
{
  static const struct
  {
    const char *option;
    Condition condition;
  } rows[] = { { "encrypted", CONDITION_ENCRYPTED },
               { "encrypted-names", CONDITION_ENCRYPTED_NAMES },
               { "broken-archive", CONDITION_BROKEN_ARCHIVE },
               { "archive-limit", CONDITION_ARCHIVE_LIMIT },
               { "macros", CONDITION_MACROS },
               { "tnef", CONDITION_TNEF } };

  if (!members_available () && config->limits.archives)
    {
      weir_load_error (load, error, "archives", "archives: built without libarchive");
      return FALSE;
    }
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (!config->limits.archives && config->actions[rows[i].condition] != ACTION_PASS
        && config->actions[rows[i].condition] != ACTION_COMMON)
      {
        weir_load_error (load, error, rows[i].option, "%s: only where archives = true",
                         rows[i].option);
        return FALSE;
      }
  return TRUE;
}

static gboolean
load_attachments (WeirLoad *load, gpointer data, GError **error)
{
  Config *config = data;

  if (!is_looking (config))
    {
      weir_load_error (load, error, NULL,
                       "neither deny nor deny-types nor anything else says what to look for");
      return FALSE;
    }
  for (guint i = 0; i < N_CONDITIONS; i++)
    if (action_of (config, i) != ACTION_PASS)
      config->conditions |= 1u << i;
  return common_options_check_list (load, "deny", config->deny, rules_check_extension, error)
         && common_options_check_list (load, "allow", config->allow, rules_check_extension, error)
         && common_options_check_list (load, "deny-types", config->deny_types, rules_check_type,
                                       error)
         && common_options_check_list (load, "allow-types", config->allow_types, rules_check_type,
                                       error)
         && check_conditions (load, config, error);
}

static void
stop (gpointer data)
{
  Config *config = data;

  g_clear_pointer (&config->rules, rules_free);
  g_clear_pointer (&config->magic, magic_close);
}

static gboolean
start (gpointer data, GError **error)
{
  Config *config = data;

  config->rules = rules_new (config->deny, config->deny_types, config->allow, config->allow_types);
  if ((!config->detect || (*config->deny_types == NULL && *config->allow_types == NULL))
      && config->actions[CONDITION_MISMATCH] == ACTION_PASS)
    return TRUE;
  config->magic = magic_open (MAGIC_MIME_TYPE);
  if (config->magic != NULL && magic_load (config->magic, NULL) == 0)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "libmagic: %s",
               config->magic == NULL ? g_strerror (errno) : magic_error (config->magic));
  stop (config);
  return FALSE;
}

/* ---- Acting on findings ---- */

/* `text` with its "%s" and "%r" replaced, each once over the text as configured; caller frees. */
static char *
fill_in (const char *text, const Finding *finding)
{
  GString *out = g_string_new (NULL);

  for (; *text != '\0'; text++)
    if (text[0] == '%' && (text[1] == 's' || text[1] == 'r'))
      g_string_append (out, *++text == 's' ? finding->name : finding->rule);
    else
      g_string_append_c (out, *text);
  return g_string_free (out, FALSE);
}

static WeirVerdict
refuse (WeirContext *context, const Finding *finding)
{
  const Config *config = weir_config (context);
  g_autofree char *text = NULL;

  if (finding->condition == CONDITION_UNREADABLE)
    return weir_reply (context, 550, "5.7.1", "The message can not be examined: %s", finding->rule);
  if (config->reply == NULL)
    return weir_reply (context, 550, "5.7.1", "Attachment \"%s\" is not accepted here: %s",
                       finding->name, finding->rule);
  text = fill_in (config->reply, finding);
  return weir_reply (context, 550, "5.7.1", "%s", text);
}

/* Replaces the part of the finding at `index`, which is the first of that part. */
static gboolean
strip_part (WeirContext *context, const Inspection *inspection, guint index, GError **error)
{
  const Config *config = weir_config (context);
  const Finding *finding = g_ptr_array_index (inspection->findings, index);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GHashTable) named = g_hash_table_new (g_str_hash, g_str_equal);
  g_autofree char *entity = NULL;

  for (guint i = index; i < inspection->findings->len; i++)
    {
      const Finding *other = g_ptr_array_index (inspection->findings, i);
      g_autofree char *line = NULL;

      if (other->part != finding->part || action_of (config, other->condition) != ACTION_STRIP
          || !g_hash_table_add (named, other->name))
        continue;
      line = fill_in (config->note, other);
      g_string_append_printf (text, "%s\n", line);
    }
  entity = weir_part_text (text->str);
  return weir_part_replace (context, weir_entity_object (context, finding->part), entity, -1,
                            error);
}

static WeirVerdict
strip (WeirContext *context, const Inspection *inspection)
{
  g_autoptr (GHashTable) stripped = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < inspection->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (inspection->findings, i);

      if (finding->part == WEIR_NO_ENTITY) /* it hides outside of every part */
        return refuse (context, finding);
    }
  for (guint i = 0; i < inspection->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (inspection->findings, i);
      g_autoptr (GError) error = NULL;

      if (!g_hash_table_add (stripped, GUINT_TO_POINTER (finding->part))
          || strip_part (context, inspection, i, &error))
        continue;
      weir_log (context, "cannot strip \"%s\": %s", finding->name, error->message);
      return refuse (context, finding);
    }
  return WEIR_PASS;
}

/* The same name often stands in several fields of a part: it is told once. */
static void
append_finding (GString *text, const Finding *finding)
{
  g_autofree char *one = g_strdup_printf ("%s (%s)", finding->name, finding->rule);

  if (strstr (text->str, one) == NULL)
    g_string_append_printf (text, "%s%s", text->len == 0 ? "" : ", ", one);
}

static void
note_findings (WeirContext *context, const Inspection *inspection)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < inspection->names->len && text->len < 500; i++)
    g_string_append_printf (text, "%s%s", i == 0 ? "" : ", ",
                            (char *) g_ptr_array_index (inspection->names, i));
  if (text->len > 0)
    weir_set_note (context, "attachments", "%s", text->str);
  g_string_truncate (text, 0);
  for (guint i = 0; i < inspection->findings->len && text->len < 500; i++)
    append_finding (text, g_ptr_array_index (inspection->findings, i));
  if (text->len > 0)
    weir_set_note (context, "attachments-denied", "%s", text->str);
}

/* The finding whose action weighs most; all that are left by then have one. */
static const Finding *
heaviest (const Config *config, const Inspection *inspection)
{
  const Finding *worst = g_ptr_array_index (inspection->findings, 0);

  for (guint i = 1; i < inspection->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (inspection->findings, i);

      if (action_of (config, finding->condition) > action_of (config, worst->condition))
        worst = finding;
    }
  return worst;
}

static WeirVerdict
judge (WeirContext *context, const Inspection *inspection)
{
  const Config *config = weir_config (context);
  const Finding *worst;

  note_findings (context, inspection);
  if (inspection->findings->len == 0)
    return WEIR_PASS;
  worst = heaviest (config, inspection);
  switch (action_of (config, worst->condition))
    {
    case ACTION_STRIP:
      return strip (context, inspection);
    case ACTION_QUARANTINE:
      return weir_quarantine (context, "attachment \"%s\": %s", worst->name, worst->rule);
    default:
      return refuse (context, worst);
    }
}

/* ---- The hook ---- */

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  gsize size = 0;
  const guint8 *bytes = weir_message_bytes (context, &size);
  Inspection inspection;
  WeirVerdict verdict;

  if (bytes == NULL && weir_message_size (context) > 0)
    return weir_reply (context, 451, "4.3.0", "The message could not be read, try again later");
  inspect_init (&inspection, config->rules, &config->limits, config->conditions, config->magic,
                size);
  walk_message (&inspection, context, bytes, size);
  verdict = judge (context, &inspection);
  inspect_clear (&inspection);
  return verdict;
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "attachments",
  .summary = "refuses, strips or sets aside attachments by name and type",
  .edits = WEIR_EDIT_PARTS,
  .config_size = sizeof (Config),
  .options = options,
  .load = load_attachments,
  .start = start,
  .stop = stop,
  .end_of_message = end_of_message,
};
