namespace NixBuildFarm.Fuzz.Tests;

/// <summary>A parser of foreign bytes.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Sound">Inputs that it takes.</param>
/// <param name="Parse">Reads an input. It checks itself what must hold of what was read.</param>
/// <param name="Refuses">Whether an exception is how it refuses an input.</param>
internal sealed record Target(string Name, IReadOnlyList<byte[]> Sound, Action<byte[]> Parse, Func<Exception, bool> Refuses)
{
    public override string ToString() => Name;
}
