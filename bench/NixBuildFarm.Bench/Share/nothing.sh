# Builder: commands as in any build, but no compile.
for ((number = 0; number < 200; number++)); do printf 'line %s\n' $number | sed 's/line/number/' > file; done
sleep 20
echo > "$out"
exit 0
