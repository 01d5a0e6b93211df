-- How many statements of a subject's budget are gone, in the hour and in the
-- day that its row names. Leased units count as gone. A later window takes the
-- row over; nothing goes back to an earlier one.

-- +goose Up
CREATE TABLE budget_counts (
    subject        TEXT PRIMARY KEY, -- no foreign key: what was used counts on, whatever becomes of its user
    hour_starts_at BIGINT NOT NULL,
    hour_used      BIGINT NOT NULL,
    day_starts_at  BIGINT NOT NULL,
    day_used       BIGINT NOT NULL
);
