/* The parts of a message: what weir_message_mime() shows, as objects of Lua that are good for one
 * call. A part of another call is an error, never a stale pointer. */
#include <gmime/gmime.h>

#include "api.h"

#define PART "weir.part"

typedef struct
{
  GMimeObject *object; /* the host's, of the call */
  guint serial;        /* of that call */
  guint depth;
} Part;

static Part *
check_part (lua_State *lua)
{
  Part *part = luaL_checkudata (lua, 1, PART);

  if (machine_of (lua)->context == NULL || part->serial != machine_of (lua)->serial)
    luaL_error (lua, "a part of a call that is over");
  return part;
}

/* ---- Questions ---- */

static int
push_type (lua_State *lua, const Part *part)
{
  GMimeContentType *type = g_mime_object_get_content_type (part->object);
  const char *major = type == NULL ? NULL : g_mime_content_type_get_media_type (type);
  const char *minor = type == NULL ? NULL : g_mime_content_type_get_media_subtype (type);
  char *both
      = g_strdup_printf ("%s/%s", major == NULL ? "text" : major, minor == NULL ? "plain" : minor);

  machine_keep_text (machine_of (lua), both);
  for (char *at = both; *at != '\0'; at++)
    *at = g_ascii_tolower (*at);
  lua_pushstring (lua, both);
  return 1;
}

static const char *
file_name (const Part *part)
{
  return GMIME_IS_PART (part->object) ? g_mime_part_get_filename (GMIME_PART (part->object)) : NULL;
}

static int
on_part_get (lua_State *lua)
{
  Part *part = check_part (lua);
  const char *name = luaL_checkstring (lua, 2);

  lua_getmetatable (lua, 1);
  if (lua_getfield (lua, -1, name) == LUA_TFUNCTION && name[0] != '_')
    return 1;
  if (g_str_equal (name, "type"))
    return push_type (lua, part);
  if (g_str_equal (name, "name"))
    lua_pushstring (lua, file_name (part));
  else if (g_str_equal (name, "disposition"))
    lua_pushstring (lua, g_mime_object_get_disposition (part->object));
  else if (g_str_equal (name, "depth"))
    lua_pushinteger (lua, part->depth);
  else if (g_str_equal (name, "multipart"))
    lua_pushboolean (lua, GMIME_IS_MULTIPART (part->object));
  else
    return luaL_error (lua, "a part has no %s", name);
  return 1;
}

static int
on_part_content (lua_State *lua)
{
  Part *part = check_part (lua);
  Machine *machine = machine_of (lua);
  GBytes *content
      = machine_keep_bytes (machine, weir_part_content (machine->context, part->object));
  gsize length = 0;
  const char *bytes = content == NULL ? NULL : g_bytes_get_data (content, &length);

  if (content == NULL)
    lua_pushnil (lua);
  else
    lua_pushlstring (lua, bytes == NULL ? "" : bytes, length);
  machine_keep_bytes (machine, NULL);
  return 1;
}

/* ---- Edits ---- */

static int
on_part_replace (lua_State *lua)
{
  Part *part = check_part (lua);
  size_t length = 0;
  const char *entity = luaL_checklstring (lua, 2, &length);
  GError *error = NULL;

  return weir_part_replace (api_context (lua), part->object, entity, (gssize) length, &error)
             ? 0
             : api_raise (lua, error);
}

static int
on_part_remove (lua_State *lua)
{
  Part *part = check_part (lua);
  GError *error = NULL;

  return weir_part_remove (api_context (lua), part->object, &error) ? 0 : api_raise (lua, error);
}

static int
on_part_insert (lua_State *lua)
{
  Part *part = check_part (lua);
  guint position = api_index (lua, 2);
  size_t length = 0;
  const char *entity = luaL_checklstring (lua, 3, &length);
  GError *error = NULL;

  luaL_argcheck (lua, GMIME_IS_MULTIPART (part->object), 1, "a multipart");
  return weir_part_insert (api_context (lua), part->object, position, entity, (gssize) length,
                           &error)
             ? 0
             : api_raise (lua, error);
}

void
api_open_parts (lua_State *lua)
{
  static const luaL_Reg methods[]
      = { { "__index", on_part_get },     { "content", on_part_content },
          { "replace", on_part_replace }, { "remove", on_part_remove },
          { "insert", on_part_insert },   { NULL, NULL } };

  luaL_newmetatable (lua, PART);
  luaL_setfuncs (lua, methods, 0);
  lua_pushliteral (lua, "part");
  lua_setfield (lua, -2, "__metatable");
  lua_pop (lua, 1);
}

/* ---- The list ---- */

/* Puts it, and then what is inside, at the end of the list on the top of the stack. How deep it can
 * go the host's limits say. */
static void
add_part (lua_State *lua, GMimeObject *object, guint depth)
{
  Part *part = NULL;
  GMimeMessage *inside = NULL;

  if (object == NULL)
    return;
  luaL_checkstack (lua, 4, "parts inside of parts");
  part = lua_newuserdatauv (lua, sizeof *part, 0);
  *part = (Part){ object, machine_of (lua)->serial, depth };
  luaL_setmetatable (lua, PART);
  lua_rawseti (lua, -2, (lua_Integer) lua_rawlen (lua, -2) + 1);
  if (GMIME_IS_MULTIPART (object))
    for (int i = 0; i < g_mime_multipart_get_count (GMIME_MULTIPART (object)); i++)
      add_part (lua, g_mime_multipart_get_part (GMIME_MULTIPART (object), i), depth + 1);
  if (GMIME_IS_MESSAGE_PART (object))
    inside = g_mime_message_part_get_message (GMIME_MESSAGE_PART (object));
  if (inside != NULL)
    add_part (lua, g_mime_message_get_mime_part (inside), depth + 1);
}

/* All parts, each multipart ahead of what is in it; empty when there is nothing to be parsed. */
static int
on_parts (lua_State *lua)
{
  GMimeMessage *message = weir_message_mime (api_context (lua));

  lua_newtable (lua);
  if (message != NULL)
    add_part (lua, g_mime_message_get_mime_part (message), 0);
  return 1;
}

static int
on_part_text (lua_State *lua)
{
  lua_pushstring (lua, machine_keep_text (machine_of (lua), weir_part_text (api_text (lua, 1))));
  return 1;
}

const luaL_Reg api_parts[] = {
  { "parts", on_parts },
  { "part_text", on_part_text },
  { NULL, NULL },
};
