-- What only a superuser may make.
create foreign data wrapper elsewhere options (debug 'true');
create server warehouse foreign data wrapper elsewhere options (host 'warehouse.example.com');
create foreign table stock (part int not null, amount int) server warehouse options (table_name 'stock');
alter foreign table stock owner to app;
grant usage on foreign server warehouse to app;
create function noticed() returns event_trigger language plpgsql as $$ begin end $$;
create event trigger on_ddl on ddl_command_end execute function noticed();
create operator class absolute for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp;
alter operator class absolute using btree owner to app;
