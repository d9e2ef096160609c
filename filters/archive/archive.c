/* The filter "archive": a copy of each message to an address, or into a Maildir with a note of what
 * became of it. The copy is on disk before the message goes on; what can not be archived fails the
 * filter. */
#include <string.h>

#include "common/message.h"
#include "common/recipients.h"
#include "store.h"

#define MOST_MESSAGE_ID 998 /* octets: a line (RFC 5322 section 2.1.1) */

typedef struct
{
  const char *to_address;
  const char *maildir;
  gboolean refused;
} Config;

/* Between the end of the message and its outcome. */
typedef struct
{
  char key[STORE_KEY + 1]; /* "": nothing was stored */
} State;

static const WeirOption options[] = {
  { "to-address", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, to_address), NULL,
    "Every message gets this recipient too." },
  { "maildir", WEIR_OPTION_STRING, G_STRUCT_OFFSET (Config, maildir), NULL,
    "A folder in which every message is kept, once." },
  { "refused", WEIR_OPTION_BOOLEAN, G_STRUCT_OFFSET (Config, refused), "false",
    "Keep in the maildir what was not accepted as well." },
  { NULL },
};

/* ---- Loading ---- */

static gboolean
check_maildir (WeirLoad *load, const char *maildir, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (maildir);

  if (!g_path_is_absolute (maildir))
    weir_load_error (load, error, "maildir", "\"%s\" is not its whole path", maildir);
  else if (!g_file_test (parent, G_FILE_TEST_IS_DIR))
    weir_load_error (load, error, "maildir", "the folder %s is not there", parent);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_address (WeirLoad *load, const char *address, GError **error)
{
  const char *at = strrchr (address, '@');
  gboolean fine = at != NULL && at > address && at[1] != '\0';

  for (const char *c = address; *c != '\0'; c++)
    fine = fine && (guchar) *c > ' ' && *c != 0x7f && strchr ("<>", *c) == NULL;
  if (!fine)
    weir_load_error (load, error, "to-address", "\"%s\" is no address: user@domain", address);
  return fine;
}

static gboolean
load_archive (WeirLoad *load, gpointer data, GError **error)
{
  const Config *config = data;
  guint hooks = 0;

  if (config->to_address == NULL && config->maildir == NULL)
    {
      weir_load_error (load, error, NULL, "neither to-address nor maildir says where to");
      return FALSE;
    }
  if (config->to_address != NULL)
    hooks |= WEIR_HOOK_DATA;
  if (config->maildir != NULL)
    hooks |= WEIR_HOOK_END_OF_MESSAGE | WEIR_HOOK_MESSAGE_OVER;
  weir_load_hooks (load, hooks);
  return (config->maildir == NULL || check_maildir (load, config->maildir, error))
         && (config->to_address == NULL || check_address (load, config->to_address, error));
}

/* ---- To an address ---- */

static WeirVerdict
data (WeirContext *context)
{
  const Config *config = weir_config (context);
  g_autoptr (GError) error = NULL;

  if (common_recipients_add_quietly (context, config->to_address, &error))
    return WEIR_PASS;
  return weir_fail (context, "can not add the recipient: %s", error->message);
}

/* ---- Into a Maildir ---- */

static gssize
read_octets (guint64 offset, gpointer buffer, gsize length, gpointer context)
{
  return weir_message_read (context, offset, buffer, length);
}

/* NULL: none, or one that is no use as a name: more than one field, or longer than a line. */
static const char *
find_message_id (WeirContext *context)
{
  guint index = weir_header_find (context, "Message-ID", 0);
  const char *id;

  if (index == WEIR_NO_HEADER || weir_header_find (context, "Message-ID", 1) != WEIR_NO_HEADER)
    return NULL;
  id = weir_header_value (context, index);
  return *id != '\0' && strlen (id) <= MOST_MESSAGE_ID ? id : NULL;
}

static gint
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* In lower case and in order: a client may send them in another one the next time. */
static GPtrArray *
list_recipients (WeirContext *context)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < weir_recipient_count (context); i++)
    g_ptr_array_add (list, g_ascii_strdown (weir_recipient (context, i), -1));
  g_ptr_array_sort (list, compare_texts);
  g_ptr_array_add (list, NULL);
  return list;
}

static void
hash_text (GChecksum *sum, const char *text)
{
  g_checksum_update (sum, (const guchar *) text, (gssize) strlen (text) + 1);
}

/* Each field of that name. They are counted, so that two names' fields are never taken for one's.
 */
static void
hash_fields (GChecksum *sum, WeirContext *context, const char *name)
{
  guint index;

  for (guint nth = 0; (index = weir_header_find (context, name, nth)) != WEIR_NO_HEADER; nth++)
    hash_text (sum, weir_header_value (context, index));
  hash_text (sum, "\n");
}

/* What makes a message the same as one before: its id, sender, recipients, body, and the fields
 * that say how to read it and what it answers. An id alone does not do, since anybody may use one
 * that is taken; without one all of the header counts. FALSE: the message can not be read. */
static gboolean
make_key (WeirContext *context, const StoreFacts *facts, char *key)
{
  static const char *const told[]
      = { "From", "Sender",      "To",         "Cc",           "Subject",
          "Date", "In-Reply-To", "References", "Content-Type", "Content-Transfer-Encoding" };
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize size;
  g_autofree char *bytes = common_message_read (context, &size);
  gsize body = 0;

  if (bytes == NULL)
    return FALSE;
  if (facts->message_id != NULL)
    common_message_find_body (bytes, size, &body);
  hash_text (sum, facts->message_id != NULL ? facts->message_id : "");
  for (guint i = 0; facts->message_id != NULL && i < G_N_ELEMENTS (told); i++)
    hash_fields (sum, context, told[i]);
  hash_text (sum, facts->sender);
  for (guint i = 0; facts->recipients[i] != NULL; i++)
    hash_text (sum, facts->recipients[i]);
  hash_text (sum, "");
  g_checksum_update (sum, (const guchar *) bytes + body, (gssize) (size - body));
  g_strlcpy (key, g_checksum_get_string (sum), STORE_KEY + 1);
  return TRUE;
}

static WeirVerdict
end_of_message (WeirContext *context)
{
  const Config *config = weir_config (context);
  State *state = weir_state (context);
  g_autoptr (GPtrArray) recipients = list_recipients (context);
  g_autoptr (GError) error = NULL;
  const StoreFacts facts = {
    .message_id = find_message_id (context),
    .name = weir_message_id (context),
    .sender = weir_sender (context),
    .recipients = (const char *const *) recipients->pdata,
  };
  char key[STORE_KEY + 1];

  *state->key = '\0';
  if (!make_key (context, &facts, key))
    return weir_fail (context, "the message can not be read");
  if (!store_put (config->maildir, key, &facts, read_octets, context, &error))
    return weir_fail (context, "%s", error->message);
  memcpy (state->key, key, sizeof key);
  weir_set_note (context, "archive", "%s", key);
  return WEIR_PASS;
}

/* The gateway's words, but for those that say more about mail servers than about the message. */
static const char *
outcome_of (const char *status)
{
  static const char *const others[][2]
      = { { "sent", "accepted" },   { "deferred", "refused" },   { "rejected", "refused" },
          { "bounced", "refused" }, { "aborted", "taken back" }, { "client-gone", "taken back" } };

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (strcmp (others[i][0], status) == 0)
      return others[i][1];
  return status;
}

static void
message_over (WeirContext *context, guint code, const char *text)
{
  const Config *config = weir_config (context);
  State *state = weir_state (context);
  const char *status = weir_status (context);
  const StoreOutcome outcome = {
    .outcome = outcome_of (status),
    .accepted = code / 100 == 2 || strcmp (status, "partial") == 0,
    .code = code,
    .reply = text,
  };
  g_autoptr (GError) error = NULL;

  if (*state->key != '\0'
      && !store_over (config->maildir, state->key, &outcome, config->refused, &error))
    weir_log (context, "the outcome can not be noted: %s", error->message);
  *state->key = '\0';
}

WEIR_EXPORT const WeirFilter weir_filter = {
  WEIR_FILTER_HEADER,
  .name = "archive",
  .summary = "keeps a copy of each message, at an address or in a Maildir",
  .edits = WEIR_EDIT_RECIPIENTS,
  .config_size = sizeof (Config),
  .state_size = sizeof (State),
  .options = options,
  .load = load_archive,
  .data = data,
  .end_of_message = end_of_message,
  .message_over = message_over,
};
