# The task that runs all tests: each once, and a part that comes to nothing is a failure.
BeforeAll {
    $root = $env:NIXBUILDFARM_REPOSITORY
    $out = "$TestDrive/out"
    . "$root/build/Programs.ps1"
    . "$root/build/Test.ps1"
    . "$root/build/Versions.ps1"
    New-EmptyFolder $results
}

Describe 'Test' {
    It 'runs each class of the farm suite once' {
        $suite = "$root/out/build/bin/NixBuildFarm.Farm.Tests/release/NixBuildFarm.Farm.Tests.dll"
        function Get-Class([string[]] $Filter) { dotnet exec $suite -list classes/json -noColor @Filter | ConvertFrom-Json }
        $all = Get-Class
        $all.Count | Should -BeGreaterThan 40

        $parts = Get-TestPart | Where-Object Name -Like 'NixBuildFarm.Farm.Tests *' | Where-Object Name -NotLike '* Nix *'
        $classes = foreach ($part in $parts) {
            $first = $part.Command.IndexOf('-class')
            Get-Class $part.Command[$first..($part.Command.IndexOf('-result-xml') - 1)]
        }

        $classes | Sort-Object | Should -Be ($all | Sort-Object)
    }

    It 'runs the core of the farm suite on each other version of Nix' {
        $parts = Get-TestPart | Where-Object Name -Like 'NixBuildFarm.Farm.Tests Nix *'

        $parts.Count | Should -Be $nixVersions.Count
        foreach ($part in $parts) {
            $part.Command[1..2] | Should -Be '--nix', $nixVersions[($part.Name -split ' ')[-1]]
            $filter = $part.Command[$part.Command.IndexOf('-trait')..($part.Command.IndexOf('-result-xml') - 1)]
            $suite = "$root/out/build/bin/NixBuildFarm.Farm.Tests/release/NixBuildFarm.Farm.Tests.dll"
            (dotnet exec $suite -list methods/json -noColor @filter | ConvertFrom-Json).Count | Should -BeGreaterThan 20
        }
    }

    It 'counts what passed in TAP and in XML' {
        [IO.File]::WriteAllText("$results/one.tap", "ok 1`n# pass 4`n# fail 1`n# skipped 2`n")
        [IO.File]::WriteAllText("$results/two.xml", '<assemblies><assembly passed="3" failed="1" errors="1" skipped="1" /></assemblies>')

        $one, $two = Invoke-Part (New-Part 'one' 'true' "$results/one.tap"), (New-Part 'two' 'true' "$results/two.xml")

        $one.Passed, $one.Failed, $one.Skipped | Should -Be 4, 1, 2
        $two.Passed, $two.Failed, $two.Skipped | Should -Be 3, 2, 1
    }

    BeforeDiscovery {
        $sound = '<assemblies><assembly passed="3" failed="0" errors="0" skipped="0" /></assemblies>'
    }

    It 'counts a part that <Name> as one failure' -ForEach @(
        @{ Name = 'cannot start'; Program = '/nonexistent'; Report = $sound }
        @{ Name = 'fails'; Program = 'false'; Report = $sound }
        @{ Name = 'leaves half a report'; Program = 'true'; Report = '<assemblies><assembly passed="3" failed="0"' }
        @{ Name = 'passes no test'; Program = 'true'; Report = '<assemblies></assemblies>' }
    ) {
        [IO.File]::WriteAllText("$results/part.xml", $Report)

        (Invoke-Part (New-Part 'part' $Program "$results/part.xml")).Failed | Should -Be 1
    }

    It 'ends its parts when a signal ends it' {
        Import-Module "$PSScriptRoot/FarmSession.psm1"
        $mark = "1$(Get-Random -Minimum 10000 -Maximum 99999)"
        # In brackets, so that grep does not find itself.
        function Test-Part { [bool] (bash -c "grep -slzx '[1]$($mark.Substring(1))' /proc/[0-9]*/cmdline | head -1") }
        $script = "`$root = '$root'; `$out = '$out'; foreach (`$one in 'Programs', 'Test') { . `"`$root/build/`$one.ps1`" }; " +
            "Invoke-Part (New-Part 'long' @('sleep', '$mark') '$results/long.xml')"
        $build = [Diagnostics.Process]::Start('pwsh', [string[]] ('-NoProfile', '-NonInteractive', '-Command', $script))
        Wait-Until { Test-Part } 'the part runs'

        kill -TERM $build.Id

        $build.WaitForExit(60000) | Should -BeTrue
        Wait-Until { -not (Test-Part) } 'the part has ended with the task'
    }
}

Describe 'The table of versions' {
    BeforeAll {
        $versionTable = "$TestDrive/nix-versions.md"

        function Set-Report([string] $Path, [hashtable] $Tests) {
            $lines = foreach ($feature in $Tests.Keys) {
                foreach ($result in $Tests[$feature]) {
                    $reason = $result -eq 'Skip' ? "<reason>Nix $ownNix has none</reason>" : ''
                    "<test result=`"$result`"><traits><trait name=`"Nix`" value=`"every`"/>" +
                        "<trait name=`"Feature`" value=`"$feature`"/></traits>$reason</test>"
                }
            }
            [IO.File]::WriteAllText($Path, "<assemblies><assembly><test result=`"Fail`"/>$lines</assembly></assemblies>")
        }

        function Set-Table([string[]] $Row) {
            $head = "| Feature | $ownNix | $($nixVersions.Keys -join ' | ') |", '|---|---|---|---|---|'
            [IO.File]::WriteAllText(
                $versionTable, "Before.`n`n$versionTableBegin`n`n$(($head + $Row) -join "`n")`n`n$versionTableEnd`n`nAfter.`n")
        }
    }

    BeforeEach {
        New-EmptyFolder $results
        foreach ($reports in (Get-VersionColumn).Values) { foreach ($report in $reports) { Set-Report $report @{} } }
        Set-Report "$results/NixBuildFarm.Farm.Tests.Faults.xml" @{ Copies = 'Pass'; Flakes = 'Skip', 'Pass' }
        Set-Report "$results/NixBuildFarm.Farm.Tests.Rest.xml" @{ Copies = 'Pass' }
        foreach ($version in $nixVersions.Keys) {
            Set-Report "$results/NixBuildFarm.Farm.Tests.Nix.$version.xml" @{ Copies = 'Pass'; Flakes = 'Pass' }
        }
        Set-Table '| Copies | yes | yes | yes | yes |', "| Flakes | no, Nix $ownNix has none | yes | yes | yes |"
    }

    It 'is right where it says what the tests have found' {
        Test-VersionDocument | Should -BeTrue
    }

    It 'is wrong where it <Name>' -ForEach @(
        @{ Name = 'promises more'; Row = '| Copies | yes | yes | yes | yes |', '| Flakes | yes | yes | yes | yes |' }
        @{ Name = 'leaves a feature out'; Row = @('| Copies | yes | yes | yes | yes |') }
        @{ Name = 'has a feature without tests'; Row = '| Copies | yes | yes | yes | yes |', '| Magic | yes | yes | yes | yes |' }
    ) {
        $right = [IO.File]::ReadAllText($versionTable)
        Set-Table $Row

        Test-VersionDocument | Should -BeFalse

        [IO.File]::ReadAllText("$results/nix-versions.md") | Should -Be $right
    }

    It 'is wrong where one of several tests fails' {
        Set-Report "$results/NixBuildFarm.Farm.Tests.Nix.2.34.xml" @{ Copies = 'Pass', 'Fail', 'Pass'; Flakes = 'Pass' }

        Test-VersionDocument | Should -BeFalse

        [IO.File]::ReadAllText("$results/nix-versions.md") | Should -Match '\| Copies \| yes \| yes \| fails \| yes \|'
    }

    It 'keeps the column of a version that was not tested' {
        [IO.File]::Delete("$results/NixBuildFarm.Farm.Tests.Nix.2.26.xml")
        [IO.File]::WriteAllText("$results/NixBuildFarm.Farm.Tests.Nix.mixed.xml", '<assemblies><assembly>')

        Test-VersionDocument | Should -BeTrue
    }
}
