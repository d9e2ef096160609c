/* Whatever a milter says: packets, read as terms, as answers, as replies and changes. */
#include <string.h>

#include "changes.h"
#include "terms.h"
#include "verdict.h"

#define MAX_BODY (64 * 1024)

int LLVMFuzzerTestOneInput (const guint8 *bytes, gsize length);

static void
read_reply (const Answer *answer)
{
  AnswerReply reply = { 0 };

  if (!answer_read_reply (answer->text, &reply, NULL))
    return;
  g_assert_cmpuint (reply.code, >=, 400);
  g_assert_cmpuint (reply.code, <=, 599);
  g_assert_true (reply.enhanced == NULL || *reply.enhanced == '0' + (char) (reply.code / 100));
  answer_reply_clear (&reply);
}

/* A value can never end its field. */
static void
check_value (const char *text)
{
  g_autofree char *value = changes_value (text, FALSE);

  for (const char *at = strchr (value, '\n'); at != NULL; at = strchr (at + 1, '\n'))
    g_assert_true (at[-1] == '\r' && (at[1] == ' ' || at[1] == '\t'));
}

static void
read_change (Changes *changes, const Answer *answer)
{
  if (answer->text != NULL)
    check_value (answer->text);
  changes_take (changes, answer, NULL);
  g_assert_cmpuint (changes->list->len, <=, CHANGES_MAX);
  g_assert_true (changes->body == NULL || changes->body->len <= MAX_BODY);
}

static void
read_packet (Changes *changes, const Packet *packet)
{
  static const char *const extras[] = { "{x}=y", NULL };
  Terms terms;
  Answer answer;

  if (terms_read (packet, extras, &terms, NULL))
    g_assert_cmpuint (terms_data_size (&terms), <, 1024 * 1024);
  if (!answer_read (packet, &answer, NULL))
    return;
  if (answer.kind == ANSWER_REPLY)
    read_reply (&answer);
  if (ANSWER_IS_CHANGE (answer.kind))
    read_change (changes, &answer);
  for (guint event = 0; event < EVENT_COUNT; event++)
    verdict_ends_message (verdict_of (answer.kind, event), event);
}

int
LLVMFuzzerTestOneInput (const guint8 *bytes, gsize length)
{
  static const char *const recipients[] = { "a@b", "c@d", NULL };
  ChangesRecipients todo;
  Changes changes;
  Packet packet;
  gssize used = 0;

  changes_init (&changes, MAX_BODY);
  while ((used = packet_take (bytes, length, &packet, NULL)) > 0)
    {
      read_packet (&changes, &packet);
      bytes += used;
      length -= (gsize) used;
    }
  changes_recipients (&changes, recipients, &todo);
  changes_recipients_clear (&todo);
  changes_clear (&changes);
  return 0;
}
