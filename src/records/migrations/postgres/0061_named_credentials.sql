-- A credential with a free name is for imports that ask for it by that name,
-- and goes to this hub or host. NULL: it is the usual one of what it is named after.
ALTER TABLE credentials ADD COLUMN host TEXT;
