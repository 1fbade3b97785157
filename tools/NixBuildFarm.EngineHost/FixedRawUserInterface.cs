using System.Management.Automation.Host;

namespace NixBuildFarm.EngineHost;

/// <summary>A screen of a given width that is only ever written to, line by line: what tables are laid out for.</summary>
public sealed class FixedRawUserInterface(Func<int> width) : PSHostRawUserInterface
{
    /// <summary>Columns where nothing tells how many there are.</summary>
    public const int DefaultWidth = 120;

    private const int Height = 50;

    public override Size BufferSize
    {
        get => new(width(), Height);
        set => throw Refused();
    }

    public override Size WindowSize
    {
        get => BufferSize;
        set => throw Refused();
    }

    public override Size MaxWindowSize => BufferSize;

    public override Size MaxPhysicalWindowSize => BufferSize;

    public override ConsoleColor ForegroundColor { get; set; } = ConsoleColor.Gray;

    public override ConsoleColor BackgroundColor { get; set; } = ConsoleColor.Black;

    public override int CursorSize { get; set; } = 25;

    public override string WindowTitle { get; set; } = "";

    public override Coordinates CursorPosition { get; set; }

    public override Coordinates WindowPosition { get; set; }

    public override bool KeyAvailable => false;

    public override void FlushInputBuffer()
    {
        // Nothing is buffered.
    }

    public override KeyInfo ReadKey(ReadKeyOptions options) => throw Refused();

    public override BufferCell[,] GetBufferContents(Rectangle rectangle) => throw Refused();

    public override void ScrollBufferContents(Rectangle source, Coordinates destination, Rectangle clip, BufferCell fill) =>
        throw Refused();

    public override void SetBufferContents(Rectangle rectangle, BufferCell fill) => throw Refused();

    public override void SetBufferContents(Coordinates origin, BufferCell[,] contents) => throw Refused();

    private static NotSupportedException Refused() => new("This host writes lines; it has no screen to edit and no keys to read.");
}
