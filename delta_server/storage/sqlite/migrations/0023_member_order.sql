-- Members of a project are listed in the order they came, a page at a time.
CREATE INDEX member_order ON member (project, created_at, user);
