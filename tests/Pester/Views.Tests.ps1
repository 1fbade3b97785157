# Tables as they are seen: every object is told by its name at each width that terminals have.
BeforeAll {
    Import-Module "$PSScriptRoot/FarmSession.psm1" -Force
    Import-Module /opt/NixBuildFarm
    $unbuilt = New-NixFile @{ c = 'echo > $out' }
    $results = Invoke-NixDistributedBuild -Path (New-NixFile @{
        a = 'echo > $out'; b = 'echo > $out'; 'a-name-that-is-longer-than-most-names-are' = 'echo > $out'
    }) -InformationAction Ignore
    Set-NixBuilderPolicy kana -MaxJobs 1
    $objects = @{
        'Get-NixBuilder'                    = Get-NixBuilder
        'Get-NixBuilder -Live'              = Get-NixBuilder -Live
        'Test-NixBuilder'                   = Get-NixBuilder | Test-NixBuilder
        'Get-NixBuilderPolicy'              = Get-NixBuilderPolicy kana
        'Invoke-NixDistributedBuild'        = $results
        'Invoke-NixDistributedBuild -WhatIf' = Invoke-NixDistributedBuild -Path $unbuilt -WhatIf -InformationAction Ignore
    }
    # Lines of a table without colours.
    function Get-Line($Object, [int] $Width) {
        $PSStyle.OutputRendering = 'PlainText'
        @(($Object | Out-String -Width $Width) -split "`r?`n" | Where-Object { $_ })
    }
}

AfterAll { Reset-NixBuilderPolicy kana }

Describe 'The table of <Command> at <Width> columns' -ForEach @(
    foreach (
        $command in 'Get-NixBuilder', 'Get-NixBuilder -Live', 'Test-NixBuilder', 'Get-NixBuilderPolicy', 'Invoke-NixDistributedBuild',
        'Invoke-NixDistributedBuild -WhatIf'
    ) {
        foreach ($width in 60, 80, 120) { @{ Command = $command; Width = $width } }
    }
) {
    It 'has a line for each, with the name, and none is too long' {
        $all = @($objects[$Command])
        $all.Count | Should -BeGreaterThan 0
        $lines = Get-Line $all $Width
        foreach ($one in $all) {
            # A long name may go on in the next line.
            $start = $one.Name.Substring(0, [Math]::Min(12, $one.Name.Length))
            @($lines -match "(^|\s)$([regex]::Escape($start))").Count |
                Should -Be 1 -Because "$start is to be seen in:`n$($lines -join "`n")"
        }
        foreach ($line in $lines) { $line.Length | Should -BeLessOrEqual $Width }
        $lines[1] | Should -Match '^ *-' -Because 'no heading is torn'
    }
}

Describe 'Get-NixBuild' {
    It 'tells a run in one line at <_> columns' -ForEach 60, 80, 120 {
        $run = Get-NixBuild -Last 1
        $lines = Get-Line $run $_
        @($lines -match $run.RunId).Count | Should -Be 1
        $lines.Count | Should -Be 3
    }
}

Describe 'Results' {
    It 'are summed by Measure-Object' {
        ($results | Measure-Object Seconds -Sum).Sum | Should -BeGreaterThan 0
    }

    It 'are the same in the history, with their outputs' {
        $kept = Get-NixBuild -Last 1 -Result
        $kept.Name | Sort-Object | Should -Be ($results.Name | Sort-Object)
        foreach ($one in $kept) { $one.Outputs.Values | Should -Exist }
    }
}

Describe 'A failure in a script' {
    BeforeAll {
        $file = New-NixFile @{ bad = ('for i in 1 2 3 4 5; do echo "line $i of the log: a message that is longer than what an error ' +
            'view takes in one of its lines, so that reflowing would tear it"; done; exit 3') }
        $run = Invoke-Pwsh -File "Invoke-NixDistributedBuild -Path $file" -Environment @{ COLUMNS = '80' }
        $text = $run.Output + $run.Problems
    }

    It 'shows each line of the log once, whole' {
        foreach ($i in 1..5) {
            @($text -match ("line $i of the log: a message that is longer than what an error view takes in one of its lines, so that " +
                "reflowing would tear it\s*$")).Count |
                Should -Be 1 -Because ($text -join "`n")
        }
    }
}
