//! `string.find` and its kin are ours: they must match what Lua's match, and fail where they fail.

use crate::servers::compare_scripts;

#[test]
fn patterns_match_what_they_match_in_redis() {
    compare_scripts(
        "patterns",
        &[
            "return {('hello world'):find('o w')}",
            "return {('hello'):find('l+')}",
            "return {('hello'):find('')}",
            "return {('hello'):find('', 10)}",
            "return {('hello'):find('', 6)}",
            "return {('hello'):find('l', -2)}",
            "return {('hello'):find('l', -100)}",
            "return {('hello'):find('l', 0)}",
            "return {('hello'):find('.l', 1, true)}",
            "return {('a.l'):find('.l', 1, true)}",
            "return {('a+b'):find('+', 1, 1)}",
            "return {('a\\0b'):find('\\0b', 1, true)}",
            "return {('a\\0b'):find('a\\0x')}",
            "return {('a\\0b'):find('%z(.)')}",
            "return {('a\\0b+'):find('\\0b+')}",
            "return {('key=value'):match('(%w+)=(%w+)')}",
            "return {('key=value'):match('()=()')}",
            "return {('  trim  '):match('^%s*(.-)%s*$')}",
            "return {('f(a(b)c)d'):match('%b()')}",
            "return {('xxaxax'):match('%bxx')}",
            "return {('THE (quick) fox'):find('%f[%a]%a+%f[%A]')}",
            "return {('hello hello'):match('(%w+) %1')}",
            "return {('aXb'):match('[%l]-([^%l])')}",
            "return {('x]y'):match('[]]')}",
            "return {('x^y'):match('[x^]+')}",
            "return {('a-z'):match('[a%-]+')}",
            "return {('a-z'):match('[+--]+')}",
            "return {('$5'):match('$%d')}",
            "return {('5$'):match('%d$')}",
            "return {('a$b'):match('a$b')}",
            "return {('^a'):match('^^a')}",
            "return {('aaa'):match('^a-$')}",
            "return {('aaa'):match('a?a?a?a?')}",
            "return {('aaab'):match('a*ab')}",
            "local t={} for k,v in ('a=1, b=2'):gmatch('(%w+)=(%w+)') do t[#t+1]=k..v end return t",
            "local t={} for w in ('one two'):gmatch('%a+') do t[#t+1]=w end return t",
            "local t={} for w in ('abc'):gmatch('') do t[#t+1]=w end return #t",
            "local t={} for w in ('abc'):gmatch('^a') do t[#t+1]=w end return #t",
            "local t={} for p in ('abc'):gmatch('()') do t[#t+1]=p end return t",
            "local t={} for w in string.gfind('abc','.') do t[#t+1]=w end return t",
            "return {('hello'):gsub('l', 'L')}",
            "return {('hello'):gsub('l', 'L', 1)}",
            "return {('hello'):gsub('l', 'L', 0)}",
            "return {('hello'):gsub('l', 'L', -1)}",
            "return {('hello'):gsub('', '-')}",
            "return {('hello'):gsub('x*', '-')}",
            "return {('hello'):gsub('(l)(l)', '%2%1%0')}",
            "return {('hello'):gsub('l', '%1')}",
            "return {('hello'):gsub('l', '%2')}",
            "return {('hello'):gsub('l', '%')}",
            "return {('hello'):gsub('l', '%%%x')}",
            "return {('hello'):gsub('()l', '%1')}",
            "return {('hello'):gsub('^h', 'J')}",
            "return {('hhh'):gsub('^h', 'J')}",
            "return {('hello'):gsub('.', {h='H', l=false, o=0})}",
            "return {('hello'):gsub('(.)(.)', {h='H'})}",
            "return {('hello'):gsub('.', setmetatable({}, {__index=function(t,k) return k..k end}))}",
            "return {('hello'):gsub('.', function(c) if c == 'l' then return 'L' end end)}",
            "return {('hello'):gsub('(h)(e)', function(a, b) return b..a end)}",
            "return {('hello'):gsub('.', function() return {} end)}",
            "return {('hello'):gsub('.', {h=true})}",
            "return {('hello'):gsub('l', 5)}",
            "return {('hello'):gsub('.', function() error('no') end)}",
            "return {pcall(string.gsub, 'hello', '.', function() error({}) end)}",
            "return {pcall(string.gsub, 'hello', '.', function() error('no', 2) end)}",
            "return {('hello'):gsub('l', nil)}",
            "return {('hello'):gsub('l', true)}",
            "return {(5):gsub('l', 'x')}",
            "return {string.gsub(515, 5, 6)}",
            "return {string.find()}",
            "return {string.find('x')}",
            "return {string.find('x', {})}",
            "return {string.find('x', 'x', {})}",
            "return {string.find('x', 'x', '1')}",
            "return {string.match(nil, 'x')}",
            "return {string.gmatch('x')}",
            "return {('x'):find('[')}",
            "return {('x'):find('[^')}",
            "return {('x'):find('[a')}",
            "return {('x'):find('[a%')}",
            "return {('x'):find('%')}",
            "return {('x'):find('x%')}",
            "return {('y'):find('x%')}",
            "return {('x'):find('%b')}",
            "return {('x'):find('%bx')}",
            "return {('x'):find('%f')}",
            "return {('x'):find('(')}",
            "return {('x'):find('(x')}",
            "return {('x'):find(')')}",
            "return {('x'):find('x)')}",
            "return {('x'):find('%1')}",
            "return {('x'):find('(%1)')}",
            "return {('x'):find('()%1')}",
            "return {('x'):find('%0')}",
            "return {('x'):find(('(x)'):rep(33))}",
            "return {(('x'):rep(33)):find(('(x)'):rep(33))}",
            "return {(('x'):rep(32)):find(('(x)'):rep(32))}",
            "return ('ab'):rep(3)",
            "return ('ab'):rep(0)",
            "return ('ab'):rep(-1)",
            "return ('ab'):rep(2.9)",
            "return ('ab'):rep('2')",
            "return ('ab'):rep(2^32 + 1)",
            "return ('ab'):rep()",
            "return ('ab'):rep({})",
            "return string.rep()",
            "return table.concat({1, 'b', 3.5}, ', ')",
            "return table.concat({})",
            "return table.concat({1, 2, 3}, '-', 2)",
            "return table.concat({1, 2, 3}, '-', 2, 2)",
            "return table.concat({1, 2, 3}, '-', 3, 2)",
            "return table.concat({1, 2, 3}, nil, 2)",
            "return table.concat({1, 2, 3}, 5)",
            "return table.concat({[0]=1, [-1]=2}, ',', -1, 0)",
            "return table.concat({1, {}, 3})",
            "return table.concat({1, nil, 3}, ',', 1, 3)",
            "return table.concat({1, true})",
            "return table.concat()",
            "return table.concat(5)",
            "return table.concat({}, {})",
            "return table.concat({}, 'x', {})",
            "return table.concat({1}, 'x', 1, 'y')",
            "return table.concat(5, {})",
            "return table.concat({1,2}, 'x', 2^32 + 1)",
            "local t={1,2} table.concat(t) return type(t[1])",
        ],
    );
}

/// Thousands of patterns and subjects, made of few characters so that they often match: both
/// servers make the same ones.
#[test]
fn random_patterns_match_what_they_match_in_redis() {
    let scripts: Vec<String> = (1..=40)
        .map(|seed| {
            format!(
                "local seed = {seed} \
                 local function below(n) \
                     seed = (seed * 16807) % 2147483647 \
                     return seed % n + 1 \
                 end \
                 local parts = {{'a', 'b', '.', '%a', '%A', '%d', '[ab]', '[^a]', '[a-c]', '[%d-]', \
                     '(', ')', '()', '%1', '%2', '%b()', '%bab', '%f[a]', '%f[^%w]', '^', '$', '*', \
                     '+', '-', '?', '%', '[', ']', '%z', '%.', ' ', '1', '%w', '(a)', '(.-)', \
                     '(a*)', '-b', '[]a]', '%S', '%p'}} \
                 local letters = {{'a', 'b', 'c', '(', ')', ' ', '1', '.', '\\0', '-', '\\200'}} \
                 local function text(from, most) \
                     local t = {{}} \
                     for i = 1, below(most) do t[i] = from[below(#from)] end \
                     return table.concat(t) \
                 end \
                 local out = {{}} \
                 local function note(...) \
                     for i = 1, select('#', ...) do out[#out + 1] = tostring((select(i, ...))) end \
                     out[#out + 1] = ';' \
                 end \
                 for i = 1, 400 do \
                     local s, p = text(letters, 12), text(parts, 6) \
                     out[#out + 1] = s .. '~' .. p .. ': ' \
                     note(pcall(string.find, s, p, below(6) - 3)) \
                     note(pcall(string.match, s, p)) \
                     note(pcall(string.gsub, s, p, '<%0%1>')) \
                     note(pcall(string.gsub, s, p, function(...) return select('#', ...) .. '' end)) \
                     note(pcall(function() for a, b in s:gmatch(p) do note(a, b) end end)) \
                 end \
                 return out"
            )
        })
        .collect();
    let scripts: Vec<&str> = scripts.iter().map(String::as_str).collect();
    compare_scripts("random-patterns", &scripts);
}
