with errors as (
  from candidate_error
  union all by name
  select 'forecast' as model, * from live_error
)
select case when date < '2012-11-05' then '2 Jan to 4 Nov' else 'last 8 weeks' end as "2012",
       model, weather,
       round(sum(absolute_error) / sum(actual), 3) as wape,
       round(sum(error) / sum(actual), 3) as bias,
       round(sum(held_hours) / sum(judged_hours), 3) as coverage,
       round(sum(absolute_error) filter (not special) / sum(actual) filter (not special), 3) as ordinary,
       round(sum(absolute_error) filter (special) / sum(actual) filter (special), 3) as holidays
from errors
where date >= '2012-01-02' and date <> '2012-11-05'
group by all
order by "2012", weather, wape desc
