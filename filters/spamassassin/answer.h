/* What spamd says about one message, as text; and scores, which are kept in thousandths. */
#pragma once

#include <glib.h>

#define ANSWER_MAX (256 * 1024) /* octets, with the header block that HEADERS returns */
#define ANSWER_MAX_FIELDS 64

typedef struct
{
  gboolean spam;
  gint64 score;    /* thousandths */
  gint64 required; /* thousandths: from here on spamd calls it spam */
  const char *body;
  gsize length;
} Answer;

/* Reads "SPAMD/1.1 0 EX_OK", its fields and the body, which is as long as Content-length says.
 * `answer` borrows `bytes`. Anything else is an error that quotes what spamd said. */
gboolean answer_read (const char *bytes, gsize length, Answer *answer, GError **error);
/* The body of SYMBOLS, "RULE,RULE", without its line's end; "" when there is none. NULL: error, it
 * is no such list. Caller frees. */
char *answer_tests (const Answer *answer, GError **error);

typedef struct
{
  char *name;
  char *value; /* folds as they came */
} AnswerField;

/* The fields X-Spam-... of the header block that is the body of HEADERS; AnswerField, in their
 * order. NULL: error, one of them must not stand in a message. Free the array. */
GPtrArray *answer_fields (const Answer *answer, GError **error);

/* "5", "-1.5", "12.125" in thousandths. FALSE: it is no number with at most three decimals, or is
 * a million or more. */
gboolean answer_parse_score (const char *text, gint64 *score);
char *answer_score_text (gint64 score); /* "5.0", "-1.5", "12.125"; caller frees */
