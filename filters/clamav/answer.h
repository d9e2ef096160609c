/* What clamd says about one message, as text. */
#pragma once

#include <glib.h>

#define ANSWER_MAX 4096 /* octets of an answer */

typedef enum
{
  ANSWER_CLEAN,
  ANSWER_FOUND,
  ANSWER_ERROR /* clamd could not tell */
} Answer;

/* Reads "stream: OK", "fd[12]: NAME FOUND" or anything else, without the NUL at its end. `*text`
 * gets the signature's name, or what clamd said when it could not tell; both are short and can
 * stand in a reply or a log. NULL when it is clean. Caller frees. */
Answer answer_read (const char *bytes, gsize length, char **text);
/* TRUE: clamd was not willing or able to receive the descriptor; the bytes can still be sent. */
gboolean answer_refuses_descriptor (const char *text);
