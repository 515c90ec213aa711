-- Makes the schema of the dashboards' views where deploy/postgres-roles.sql has not made it.
do 'begin
    if to_regnamespace(''reading'') is null then
        create schema reading;
    end if;
end'
