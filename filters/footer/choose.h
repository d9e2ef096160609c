/* Which parts of a message a footer belongs into. */
#pragma once

#include <gmime/gmime.h>

typedef enum
{
  CHOICE_FOUND,
  CHOICE_NOTHING, /* no text that is shown first */
  CHOICE_SEALED,  /* signed or encrypted: a change would break it */
  CHOICE_REPORT,  /* of a delivery, a digest: not written by people */
  CHOICE_UNCLEAR  /* a part whose place, type or encoding is not certain */
} Choice;

/* Adds the text parts to `parts` (borrowed): the first text that is shown, and all forms of it in a
 * multipart/alternative. */
Choice choose_parts (GMimeMessage *message, GPtrArray *parts);
