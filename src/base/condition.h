/* One condition of a filter's `only-if`, and the facts of a session that it is held against. A
 * condition that can not be read is an error with its text; holding one never fails. */
#pragma once

#include "base/network.h"

#define BASE_CONDITION_LENGTH 4096 /* octets of one condition */

typedef enum
{
  BASE_CONDITION_LISTENER,
  BASE_CONDITION_CLIENT,
  BASE_CONDITION_USER,
  BASE_CONDITION_SENDER,
  BASE_CONDITION_RECIPIENT,
  BASE_CONDITION_NOTE
} BaseConditionKind;

#define BASE_CONDITION_BIT(kind) (1u << (kind))
#define BASE_CONDITIONS_ALL (BASE_CONDITION_BIT (BASE_CONDITION_NOTE + 1) - 1)

typedef struct
{
  BaseConditionKind kind;
  gboolean negated;
  gchar **patterns; /* one of them has to match */
  GArray *networks; /* CLIENT: of BaseNetwork, instead; else NULL */
} BaseCondition;

/* Strings are borrowed. */
typedef struct
{
  const gchar *listener;
  const BaseEndpoint *client; /* NULL: not known, in no network */
  const gchar *user;          /* NULL: nobody is authenticated */
  const gchar *sender;        /* "" is the null sender; NULL: not known yet */
  const gchar *recipient;     /* NULL: not known yet */
  const gchar *(*note) (gconstpointer notes, const gchar *name); /* NULL: there is none */
  gconstpointer notes;
} BaseFacts;

/* "[not] KIND PATTERN …": `listener`, `user`, `sender` and `recipient` with patterns of `*` and
 * `?`, `client` with networks, `note` with NAME or NAME=PATTERN; a sender "<>" is the null sender.
 * Several patterns are alternatives. NULL: error, which names what is wrong. */
BaseCondition *base_condition_parse (const gchar *text, GError **error);
void base_condition_free (BaseCondition *condition); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseCondition, base_condition_free)

/* A sender or recipient that is not known yet fits no condition, not even a negated one. */
gboolean base_condition_holds (const BaseCondition *condition, const BaseFacts *facts);
/* All of `conditions` (of BaseCondition, NULL: none) whose kind is in `kinds` (of
 * BASE_CONDITION_BIT). */
gboolean base_conditions_hold (const GPtrArray *conditions, const BaseFacts *facts, guint32 kinds);
/* The kinds that are among them. */
guint32 base_conditions_kinds (const GPtrArray *conditions);

/* Whether `text` fits `pattern` of `*` and `?`, upper and lower case of ASCII being one. */
gboolean base_pattern_matches (const gchar *pattern, const gchar *text);
