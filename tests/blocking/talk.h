/* A session over a socketpair, whose client has said all that it will say and waits to be read:
 * conversations in one thread. Mistakes of its own abort the test. */
#pragma once

#include <mailweir/smtp.h>

typedef struct
{
  WeirSession *session;
  int client; /* its end; not ended yet when it was made by talk_open() */
  GString *heard;
} Talk;

/* `length` -1: up to the NUL. The client's side is ended behind it. */
Talk *talk_new (const WeirSettings *settings, const gchar *script, gssize length);
/* The client has said nothing and may still speak. */
Talk *talk_open (const WeirSettings *settings);
void talk_say (Talk *talk, const gchar *text);
/* Answers all messages with 250 until the session ends, which it must without an error. Returns how
 * many there were. */
guint talk_run (Talk *talk);
/* All that the session has said, once it is freed, which this does. */
const gchar *talk_heard (Talk *talk);
void talk_free (Talk *talk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Talk, talk_free)

/* Runs a whole conversation and compares what the session said; '|' in `expected` stands for CRLF,
 * and so it does in `script`. */
void talk_check (const WeirSettings *settings, const WeirHooks *hooks, gpointer data,
                 const gchar *script, const gchar *expected);
gchar *talk_lines (const gchar *text);
